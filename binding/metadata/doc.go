// Package metadata reads the metadata of an authorization server (RFC 8414,
// OpenID Connect Discovery, and the members that RFC 8705 adds), and serves
// that of a resource server (RFC 9728).
//
// Every request that this library itself sends to an authorization server goes
// through [Client]: its limits hold for metadata, key sets and introspection
// alike.
//
// [Resource] serves protected resource metadata, made from the guards in front
// of the resource, so that it states exactly what they enforce.
package metadata
