// A Go program without the C library: Go's own resolver, its poller, its choice between two families.
//
// usage: go NAME:PORT, or ADDRESS:PORT. Prints the line of whoever answers. Fails unless the other end is told to be who was called.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"time"
)

func call(to string) (string, error) {
	host, port, err := net.SplitHostPort(to)
	if err != nil {
		return "", err
	}
	addresses, err := net.LookupHost(host)
	if err != nil {
		return "", err
	}
	connection, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	told := connection.RemoteAddr().String()
	for _, address := range addresses {
		if told == net.JoinHostPort(address, port) {
			return bufio.NewReader(connection).ReadString('\n')
		}
	}
	return "", fmt.Errorf("called %s at %v, and the other end is told to be %s", to, addresses, told)
}

func main() {
	line, err := call(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(line)
}
