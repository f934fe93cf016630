// Package requirements holds a test of what an adapter brings into the module
// of a user: its own framework, and no other.
package requirements
