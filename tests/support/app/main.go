// Command app is what test containers run: with the argument "pause" it only waits, else it answers HTTP on port 8080.
// It ends on SIGTERM, which process 1 of a container would otherwise not hear.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	if len(os.Args) < 2 || os.Args[1] != "pause" {
		http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
			name, _ := os.Hostname()
			fmt.Fprintf(answer, "hello from %s\n", name)
		})
		go func() {
			fmt.Fprintln(os.Stderr, http.ListenAndServe(":8080", nil))
			os.Exit(1)
		}()
		fmt.Println("listening on port 8080")
	}
	<-ended
}
