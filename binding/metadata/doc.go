// Package metadata reads what an authorization server says of itself (RFC 8414,
// OpenID Connect Discovery, and the members that RFC 8705 adds), and says what a
// resource server says of itself (RFC 9728).
//
// [Client] is also the one way by which this library asks anything: the limits
// that it sets hold for metadata, key sets and introspection alike.
//
// [Resource] serves protected resource metadata, made from the guards in front
// of the resource, so that it promises what they enforce and no more.
package metadata
