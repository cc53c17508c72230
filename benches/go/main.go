// Go's part of the benches: the same programs as those of benches/rust, on goroutines. Each command runs one of them and prints its
// figure; GOMAXPROCS says how many workers there are. scripts/bench.mjs builds it, benches/rust and crates/maniac-sync/benches/peers run it.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// What a command line may begin with; the numbers that follow are the arguments.
var commands = map[string]func([]int){
	"spawn-join":   func(n []int) { printEach(n[0], func() { spawnJoin(n[0]) }) },
	"yields":       func(n []int) { printEach(n[0], func() { yields(n[0]) }) },
	"ping-pong":    func(n []int) { printEach(n[0], func() { pingPong(n[0]) }) },
	"timer-churn":  func(n []int) { fmt.Println(timerChurn(n[0], n[1])) },
	"timers-fire":  func(n []int) { fmt.Println(cpuEach(n[0], func() { timersFire(n[0]) })) },
	"memory":       func(n []int) { fmt.Println(memoryEach(n[0])) },
	"mpsc":         func(n []int) { fmt.Println(mpsc(n[0], n[1])) },
	"ticker":       func(n []int) { ticker(n[0]) },
	"serve-echo":   func([]int) { serve(echo) },
	"serve-accept": func([]int) { serve(answerOnce) },
	"serve-udp":    func([]int) { serveUDP() },
	"serve-hog":    func(n []int) { serveBesideHog(n[0]) },
	"reads":        func(n []int) { files(func(path string) { reads(path, n[0], n[1]) }, n[1]) },
	"opens":        func(n []int) { files(func(path string) { opens(path, n[0], n[1]) }, n[1]) },
	"stats":        func(n []int) { files(func(path string) { stats(path, n[0]) }, n[0]) },
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: benches COMMAND [NUMBER]...")
		os.Exit(2)
	}
	var numbers []int
	for _, word := range os.Args[2:] {
		number, err := strconv.Atoi(word)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		numbers = append(numbers, number)
	}
	commands[os.Args[1]](numbers)
}

// Prints the nanoseconds of each of count operations, after a run for warming up.
func printEach(count int, work func()) {
	work()
	start := time.Now()
	work()
	fmt.Println(float64(time.Since(start).Nanoseconds()) / float64(count))
}

// Nanoseconds of processor time for each of count operations, after a run for warming up.
func cpuEach(count int, work func()) float64 {
	work()
	before := cpuNanos()
	work()
	return (cpuNanos() - before) / float64(count)
}

func cpuNanos() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano() + usage.Stime.Nano())
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
