package forwarded_test

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/certbound/certbound/binding/forwarded"
)

// malformed has values of each encoding that are nearly right.
func malformed(der []byte) map[forwarded.Format][]string {
	text, base64DER := pemText(der), b64(der)
	truncated := der[:len(der)-10]
	spaces := strings.ReplaceAll(text, "\n", " ")
	hexDigest, digest := fmt.Sprintf("%064x", 1), strings.Repeat("A", 43)
	const begin, end = "-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----\n"
	pemTexts := func(write func(string) string) []string {
		return []string{
			write(strings.TrimPrefix(text, begin)),
			write(strings.TrimSuffix(text, end)),
			write(strings.TrimSuffix(strings.TrimPrefix(text, begin), end)),
			write(text[:len(text)-30]), // no END
			write(text[10:]),
			write(" " + text),
			write("\n" + text),
			write(strings.Replace(text, "END CERTIFICATE", "END CERTIFICATE ", 1)),
			write(strings.Replace(text, "-----END", "\n-----END", 1)),
			write(strings.Replace(text, "\nMII", "\n MII", 1)),
			write(strings.Replace(text, "\nMII", "\nM\tII", 1)),
			write(strings.Replace(text, "\nMII", "\n\nMII", 1)),
			write(strings.Replace(text, "\nMII", "\nKey: value\n\nMII", 1)),
			write(strings.Replace(text, "\nMII", "\n*MII", 1)),
			write(pemText(truncated)),
			write("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
			write("-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n"),
			write("-----BEGIN CERTIFICATE-----\n=\n-----END CERTIFICATE-----\n"),
			write(strings.ReplaceAll(text, "\n", "\r\n")),
			write(strings.ReplaceAll(text, "\n", "")),
			write("nonsense"),
		}
	}
	escaped := append(pemTexts(escape),
		text[:27]+"%0A"+base64DER+"%0A"+"-----END%20CERTIFICATE-----", // a space that is not encoded
		escape(text)[:len(escape(text))-1],                            // %0
		escape(text)+"%", escape(text)+"%zz", escape(text)+"%00",
		strings.ReplaceAll(escape(text), "%20", "+"),
		strings.ReplaceAll(escape(text), "%", "%25"),
	)
	return map[forwarded.Format][]string{
		forwarded.URLPEM:      escaped,
		forwarded.URLPEMChain: append(escaped, escape(text+text[:40]), escape(text+"\n"+text), escape(strings.TrimSuffix(text, "\n")+text)),
		forwarded.Base64PEM:   append(pemTexts(func(s string) string { return b64([]byte(s)) }), text[:27], b64([]byte(text))+"="),
		forwarded.PEMSpaces: {
			spaces[:40], spaces[1:], spaces[len(begin):], spaces[:len(spaces)-len(end)], strings.ReplaceAll(spaces, " ", "  "), strings.ReplaceAll(spaces, " ", "\t"), escape(text),
			strings.ReplaceAll(text, "\n", ""), "-----BEGIN CERTIFICATE----- -----END CERTIFICATE-----",
			strings.Replace(spaces, " -----END", "  -----END", 1), strings.Replace(spaces, "-----END", " x -----END", 1),
		},
		forwarded.Base64DER: {
			base64DER[:len(base64DER)-3], base64DER[:20] + " " + base64DER[20:], base64DER + "=", "=", "A===",
			"MAIFAA", "MAIFAA=", "MAIFAAA=", "MAEFAA==", "MAMFAA==", "MAIFAB==", "MAIFAA==\n", ":" + base64DER + ":", base64DER + "," + base64DER,
			b64(truncated), b64([]byte("certificate")), b64([]byte{0x30, 0x80, 0x05, 0x00, 0x00, 0x00}), b64([]byte{0x30, 0x00}), b64([]byte{0x30}),
			b64([]byte{0x30, 0x81, 0x01, 0x00}), b64([]byte{0x30, 0x84, 0, 0, 0, 1, 0}), b64([]byte{0x31, 0x01, 0x00}), b64([]byte{0x30, 0x82, 0x01}),
			b64(append([]byte{0x30, 0x82, 0x00, 0x80}, make([]byte, 0x80)...)), "MAF=",
		},
		forwarded.RFC9440: {
			":" + base64DER[:len(base64DER)-3] + ":", ":" + base64DER[:20] + " " + base64DER[20:] + ":", ": " + base64DER + ":", ":" + base64DER + "=:",
			":" + b64(truncated) + ":", ":=:", ":{http.request.x:", "{http.request.x}:", ":MAF=:", ":*:",
		},
		forwarded.Traefik: {
			base64DER + ",", "," + base64DER, base64DER + ", " + base64DER, base64DER + ",nonsense", base64DER + "," + b64(truncated), "nonsense",
			base64DER + "%", base64DER + "%0A", strings.ReplaceAll(url.QueryEscape(base64DER), "%", "%25"), b64(truncated), base64DER + ",%",
		},
		forwarded.XFCC: {
			"Hash", "Hash=", "Hash=;", "=" + hexDigest, ";Hash=" + hexDigest, "Hash=" + hexDigest + ";;", "Hash=" + hexDigest + ";By",
			"Hash=" + hexDigest[1:], "Hash=" + strings.Repeat("zz", 32), `Hash="` + hexDigest + `"`, " Hash=" + hexDigest, "Hash=" + hexDigest + " ",
			"Hash=" + hexDigest + `;Subject="CN=a`, "Hash=" + hexDigest + `;Subject="CN=a\"`, "Hash=" + hexDigest + `;Subject="CN=a"b`,
			"Hash=" + hexDigest + `;URI=a"b"`, "Hash=" + hexDigest + `;UR"I=a`, "Hash=" + hexDigest + ";Cert=" + escape(text), "Hash=" + hexDigest + `;Cert=""`,
			"Hash=" + hexDigest + `;Cert="` + text[:27] + `"`, `[{"Hash":"` + hexDigest + `"}]`, `{"Hash":"` + hexDigest + `"}`, base64DER, "Hash:" + hexDigest,
			"Cert=" + escape(text), "H-ash=" + hexDigest,
		},
		forwarded.XFCCJSON: {
			"Hash=" + hexDigest, `{"hash":"` + hexDigest + `"}`, `[{"Hash":"` + hexDigest + `"}]`, `[{"hash":"` + hexDigest + `","HASH":"` + hexDigest + `"}]`,
			`[{"hash":"` + hexDigest + `","Cert":""}]`, `[{"hash":"` + hexDigest + `","hash":"` + hexDigest + `"}]`, `[{"hash":"` + hexDigest + `"}],`,
			`[{"hash":"` + hexDigest + `"}] [`, `[{"hash":"` + hexDigest + `"},]`, `[{"hash":"` + hexDigest + `"}`, `[{"hash":"` + hexDigest[1:] + `"}]`,
			`[{"hash":"` + hexDigest + `0"}]`, `[{"hash":null}]`, `[{"hash":["` + hexDigest + `"]}]`, `[{"by":"x"}]`, `[{}]`, `[null]`, `[[]]`, `["` + hexDigest + `"]`,
			`null`, `[{"hash":"` + hexDigest + `","cert":null}]`, `[{"hash":"` + hexDigest + `","cert":""}]`, `[{"hash":"` + hexDigest + `","cert":"` + escape(text) + `"}]`,
			`[{"hash":"` + hexDigest + `","cert":["x"]}]`, `[{"hash":"` + hexDigest + `","by":"` + "\xff" + `"}]`, `[{"hash":"` + hexDigest + `","uri":[{"a":1,"a":2}]}]`,
			`{"x":[{"hash":"` + hexDigest + `"}]}`,
		},
		forwarded.SHA256Hex:       {hexDigest[1:], hexDigest + "0", hexDigest[:40], "0x" + hexDigest[2:], hexDigest[:63] + "g", hexDigest[:63] + " ", strings.Repeat("00:", 31) + "00"},
		forwarded.SHA256Base64:    {digest + "==", digest[:42], digest[:42] + "B", digest[:42] + "-", digest[:20] + "\t" + digest[20:], strings.Repeat("B", 41) + "A\n", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", digest[:42] + "=", hexDigest},
		forwarded.SHA256Base64URL: {digest + "=", digest[:42], digest[:42] + "B", digest[:42] + "+", "AAAAAAAAAAAAAAAAAAAAAAAAAAA", hexDigest},
	}
}
