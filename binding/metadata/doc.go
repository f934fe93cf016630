// Package metadata reads what an authorization server says of itself: RFC 8414,
// OpenID Connect Discovery, and the members that RFC 8705 adds.
//
// [Client] is also the one way by which this library fetches anything: the
// limits that it sets hold for metadata and for key sets alike.
package metadata
