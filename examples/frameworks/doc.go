// Package frameworks holds, below it, what examples/minimal holds, for frameworks
// that the library itself does not need: bindhttp is the adapter for all but
// gRPC, which has its own, and fiber, whose requests are not net/http's.
//
//	chi       chi
//	connect   connect-go
//	fiber     fiber v3
//	grpc      grpc-go, with a client that sends DPoP proofs
//	http3     quic-go
//	jwe       encrypted access tokens, with go-jose
//
// Folder mcp, for an MCP server, is a module of its own.
package frameworks
