// Command client calls the service of the folder above, with an access token that
// is bound to its certificate:
//
//	go run ./grpc/client -address api.bank.example:443 -token token.txt -cert client.pem -key client-key.pem
//
// or to its DPoP key, on P-256:
//
//	go run ./grpc/client -address api.bank.example:443 -token token.txt -dpop dpop-key.pem
//
// examples/client has a program that gets such tokens.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func main() {
	address := flag.String("address", "", "host and port of the service")
	origin := flag.String("origin", "", "the origin in DPoP proofs, if it is not https:// and the address")
	tokenFile := flag.String("token", "", "`file` with the access token")
	certFile := flag.String("cert", "", "PEM `file` with the client's certificate")
	keyFile := flag.String("key", "", "PEM `file` with its private key")
	proofKeyFile := flag.String("dpop", "", "PEM `file` with the private key that the token is bound to: send DPoP proofs")
	flag.Parse()
	log.SetFlags(0)

	token, err := os.ReadFile(*tokenFile)
	if err != nil {
		log.Fatal(err)
	}
	access := &access{token: strings.TrimSpace(string(token)), origin: *origin}
	if *origin == "" {
		access.origin = "https://" + *address
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if *certFile != "" {
		certificate, err := tls.LoadX509KeyPair(*certFile, *keyFile)
		if err != nil {
			log.Fatal(err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	if *proofKeyFile != "" {
		if access.key, err = readKey(*proofKeyFile); err != nil {
			log.Fatal(err)
		}
	}
	connection, err := grpc.NewClient(*address,
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithPerRPCCredentials(access), grpc.WithUnaryInterceptor(access.withNonce))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = connection.Close() }()

	ctx := context.Background()
	for _, method := range []string{"/bank.v1.Accounts/List", "/bank.v1.Accounts/Pay"} {
		answer := new(wrapperspb.StringValue)
		if err := connection.Invoke(ctx, method, &emptypb.Empty{}, answer); err != nil {
			fmt.Println(method, err)
			continue
		}
		fmt.Println(method, answer.Value)
	}
	fmt.Println("/bank.v1.Accounts/Watch", watch(ctx, connection))
}

// watch prints what comes until the stream ends, with the token at the latest.
func watch(ctx context.Context, connection *grpc.ClientConn) error {
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{StreamName: "Watch", ServerStreams: true}, "/bank.v1.Accounts/Watch")
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&emptypb.Empty{}); err != nil && err != io.EOF { // EOF: RecvMsg says why
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		event := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(event); err != nil {
			return err
		}
		fmt.Println("/bank.v1.Accounts/Watch", event.Value)
	}
}

func readKey(file string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New(file + ": no PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Params().BitSize != 256 {
		return nil, errors.New(file + ": no ECDSA key on P-256")
	}
	return key, nil
}
