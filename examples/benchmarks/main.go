// The benchmarks of the library, beside other libraries that are put to the same work.
//
//	go test -bench . -count 10
package main

func main() {}
