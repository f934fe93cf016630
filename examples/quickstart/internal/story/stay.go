package story

import (
	"context"
	"os"
	"path/filepath"
)

// stay keeps everybody up until ctx ends, with all that another terminal needs
// in a folder: one that stays, or one of its own, which goes with it.
func (w *world) stay(ctx context.Context, on screen, folder string) error {
	metadata, err := w.discover(ctx)
	if err != nil {
		return err
	}
	if folder == "" {
		if folder, err = os.MkdirTemp("", "certbound-quickstart-"); err != nil {
			return err
		}
		defer os.RemoveAll(folder)
	} else if err = os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return err
	}
	if err := w.leave(folder); err != nil {
		return err
	}

	on.printf(`The authorization server  %[1]s
The API, with Certbound   %[2]s
An API without it         %[3]s

In another terminal:

cd %[4]s

`, w.as.Issuer(), w.api.url, w.bearer.url, folder)
	say := func(style style, what string, commands ...string) {
		on.printf("%s\n", on.paint(style, "# "+what))
		for _, command := range commands {
			on.printf("%s\n", command)
		}
		on.printf("\n")
	}
	// A command is broken where a terminal ends.
	const curl, client, thief = "curl -i --cacert ca.pem", " --cert client.pem --key client-key.pem", " --cert thief.pem --key thief-key.pem"
	bearer := func(who, token, url string) string {
		return curl + who + " \\\n  -H \"Authorization: Bearer $(cat " + token + ")\" \\\n  " + url
	}
	proven := curl + " \\\n  -H \"Authorization: DPoP $(cat " + keyTokenFile + ")\" -H \"DPoP: $PROOF\" \\\n  " + w.api.url + "/accounts"

	say(bad, "a thief, where bearer tokens are taken: 200", bearer("", "token", w.bearer.url+"/accounts"))
	say(good, "the client: 200", bearer(client, "token", w.api.url+"/accounts"))
	say(bad, "a thief with another certificate: 401", bearer(thief, "token", w.api.url+"/accounts"))
	say(bad, "a thief without a certificate: 401", bearer("", "token", w.api.url+"/accounts"))
	say(good, "the client, without the scope that this route needs: 403", bearer(client, "token", w.api.url+"/payments"))
	say(good, "the client, with it: 200", bearer(client, "token-payments", w.api.url+"/payments"))
	say(good, "a client with a key, and a proof by it: 200",
		"PROOF=$(go run "+module+" \\\n  -dir . -prove "+w.api.url+"/accounts)", proven)
	say(bad, "a thief who has captured both, for the proof was used: 401", proven)
	say(plain, "why the thief is refused", "go run github.com/certbound/certbound/examples/inspect \\\n"+
		"  -as-ca ca.pem -cert thief.pem -issuer "+w.as.Issuer()+" \\\n  -audience "+audience+" <token")
	say(plain, "a new token: 200", curl+client+" \\\n  -d grant_type=client_credentials -d client_id="+clientID+" -d scope=accounts \\\n  "+
		metadata.MTLSEndpoint("token_endpoint"))

	on.printf("Every kind of token, with the client's certificate at /accounts:\n\n")
	for _, file := range w.tokenFiles() {
		on.printf("  %-14s  %s\n", file.name, file.what)
	}
	on.printf(`
server.pem and server-key.pem are for an API of yours on localhost: its issuer
is the authorization server above, reached with ca.pem as the root, and its
audience is %s.

The tokens live for %.0f hours. Stop with Ctrl-C. The API's log:

`, audience, lifetime.Hours())
	<-ctx.Done()
	return nil
}

// module is where go run finds the quickstart: in a checkout, and in a module
// that has the library.
const module = "github.com/certbound/certbound/examples/quickstart"
