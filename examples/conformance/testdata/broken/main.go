// Command broken is a resource server that checks nothing, for the tests of the
// command above it. It is wrong in more ways than that:
//
//	broken listen HOST:PORT CERT KEY   serves, and says yes to everybody
//	broken refuse HOST:PORT CERT KEY   serves, and says no to everybody
//	broken deaf                        runs and does not listen
//	broken exit                        prints something and ends
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	switch os.Args[1] {
	case "exit":
		fmt.Fprintln(os.Stderr, "this is what is wrong")
		os.Exit(7)
	case "deaf":
		time.Sleep(time.Hour)
	}
	status := http.StatusOK
	if os.Args[1] == "refuse" {
		status = http.StatusUnauthorized
	}
	fmt.Println("this is what it says")
	err := http.ListenAndServeTLS(os.Args[2], os.Args[3], os.Args[4],
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
