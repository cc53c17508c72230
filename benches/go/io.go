package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// Says where it listens, and answers each connection in a goroutine of its own until the input ends, which is the parent's end.
func serve(answer func(net.Conn)) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr())
	go untilTheEnd()
	for {
		connection, err := listener.Accept()
		check(err)
		go answer(connection)
	}
}

func untilTheEnd() {
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func echo(connection net.Conn) {
	buffer := make([]byte, 1024)
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:count]); err != nil {
			return
		}
	}
}

// A byte, and the end.
func answerOnce(connection net.Conn) {
	connection.Write([]byte{7})
	connection.Close()
}

func serveUDP() {
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(err)
	fmt.Println(socket.LocalAddr())
	go untilTheEnd()
	buffer := make([]byte, 1024)
	for {
		count, from, err := socket.ReadFromUDPAddrPort(buffer)
		check(err)
		_, err = socket.WriteToUDPAddrPort(buffer[:count], from)
		check(err)
	}
}

// The echo server with a task beside it that never ends, from the last of so many connections on.
func serveBesideHog(connections int) {
	var accepted sync.WaitGroup
	accepted.Add(connections)
	go func() {
		accepted.Wait()
		for {
			arithmetic(1 << 40)
		}
	}()
	serve(func(connection net.Conn) {
		accepted.Done()
		echo(connection)
	})
}

const (
	block  = 4096
	blocks = 4096
)

// Runs work on a file of 16 MiB, whose path comes by the input, and prints its processor time for each of count operations.
func files(work func(path string), count int) {
	input := bufio.NewScanner(os.Stdin)
	input.Scan()
	fmt.Println(cpuEach(count, func() { work(input.Text()) }))
}

// Runs work for each number below count, width at a time.
func atATime(width, count int, work func(lane, n int)) {
	var all sync.WaitGroup
	all.Add(width)
	for lane := range width {
		go func() {
			for n := range count / width {
				work(lane, n)
			}
			all.Done()
		}()
	}
	all.Wait()
}

func reads(path string, width, count int) {
	file, err := os.Open(path)
	check(err)
	defer file.Close()
	buffers := make([][]byte, width)
	for lane := range buffers {
		buffers[lane] = make([]byte, block)
	}
	atATime(width, count, func(lane, n int) {
		_, err := file.ReadAt(buffers[lane], int64((lane*977+n*31)%blocks*block))
		check(err)
	})
}

func opens(path string, width, count int) {
	buffers := make([][]byte, width)
	for lane := range buffers {
		buffers[lane] = make([]byte, block)
	}
	atATime(width, count, func(lane, _ int) {
		file, err := os.Open(path)
		check(err)
		_, err = file.Read(buffers[lane])
		check(err)
		check(file.Close())
	})
}

func stats(path string, count int) {
	for range count {
		_, err := os.Stat(path)
		check(err)
	}
}

func init() {
	// As many connections as the system lets a process have.
	var limit syscall.Rlimit
	check(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	limit.Cur = limit.Max
	check(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
}
