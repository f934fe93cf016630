// Package frameworks holds, below it, what examples/minimal holds, for frameworks
// that the library itself does not need: bindhttp is the adapter for both.
//
//	chi       chi
//	connect   connect-go
package frameworks
