package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Goroutines give no value: each stores its own, as a join would.
func spawnJoin(count int) {
	const batch = 10_000
	values := make([]int, batch)
	for range count / batch {
		var all sync.WaitGroup
		all.Add(batch)
		for n := range batch {
			go func() {
				values[n] = n
				all.Done()
			}()
		}
		all.Wait()
	}
}

// Ten goroutines that yield in turn.
func yields(count int) {
	var all sync.WaitGroup
	for range 10 {
		all.Add(1)
		go func() {
			for range count / 10 {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	all.Wait()
}

// Two goroutines that wake each other, count times there and back.
func pingPong(count int) {
	there, back, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		for range count {
			<-there
			back <- struct{}{}
		}
	}()
	go func() {
		for range count {
			there <- struct{}{}
			<-back
		}
		close(done)
	}()
	<-done
}

// Nanoseconds of a timer that is set and cancelled, beside many that stay.
func timerChurn(pending, count int) float64 {
	held := make([]*time.Timer, pending)
	for n := range held {
		held[n] = time.AfterFunc(time.Hour+time.Duration(n)*time.Microsecond, func() {})
	}
	start := time.Now()
	for n := range count {
		time.AfterFunc(time.Duration(10+n%5000)*time.Millisecond, func() {}).Stop()
	}
	each := float64(time.Since(start).Nanoseconds()) / float64(count)
	for _, timer := range held {
		timer.Stop()
	}
	return each
}

// Goroutines that each sleep for at most a fifth of a second.
func timersFire(count int) {
	var all sync.WaitGroup
	all.Add(count)
	for n := range count {
		go func() {
			time.Sleep(time.Duration(1000+n*7919%200_000) * time.Microsecond)
			all.Done()
		}()
	}
	all.Wait()
}

// The bytes of a goroutine that waits.
func memoryEach(count int) float64 {
	never := make(chan struct{})
	before := resident()
	for n := range count {
		go func() {
			<-never
			values[0] = n
		}()
	}
	runtime.Gosched()
	for runtime.NumGoroutine() < count {
		runtime.Gosched()
	}
	return (resident() - before) / float64(count)
}

// Where goroutines that never end would write to, so that each keeps its own number.
var values [1]int

func resident() float64 {
	statm, err := os.ReadFile("/proc/self/statm")
	check(err)
	pages, err := strconv.ParseFloat(strings.Fields(string(statm))[1], 64)
	check(err)
	return pages * float64(os.Getpagesize())
}

// The nanoseconds that producers take to send so many messages together through a channel of 1,024.
func mpsc(producers, messages int) int64 {
	messages = messages / producers * producers
	start := time.Now()
	channel := make(chan uint64, 1024)
	var all sync.WaitGroup
	all.Add(producers)
	for range producers {
		go func() {
			for n := range messages / producers {
				channel <- uint64(n)
			}
			all.Done()
		}()
	}
	go func() {
		all.Wait()
		close(channel)
	}()
	count := 0
	for range channel {
		count++
	}
	if count != messages {
		panic("messages were lost")
	}
	return time.Since(start).Nanoseconds()
}

// A step of arithmetic that no compiler can leave out: what hogs are made of.
//
//go:noinline
func arithmetic(steps int) uint64 {
	value := uint64(88172645463325252)
	for range steps {
		value ^= value << 13
		value ^= value >> 7
		value ^= value << 17
	}
	return value
}

// The steps that take half a second.
func halfASecond() int {
	const trial = 10_000_000
	best := time.Hour
	for range 5 {
		start := time.Now()
		arithmetic(trial)
		best = min(best, time.Since(start))
	}
	return int(float64(trial) * float64(500*time.Millisecond) / float64(best))
}

// A ticker of 1 ms beside hogs, to their end. Prints the microseconds that each tick was late.
func ticker(hogs int) {
	steps := halfASecond()
	var left sync.WaitGroup
	left.Add(hogs)
	ended := make(chan struct{})
	var late []time.Duration
	start := time.Now()
	for range hogs {
		go func() {
			arithmetic(steps)
			left.Done()
		}()
	}
	go func() {
		left.Wait()
		close(ended)
	}()
	for tick := 1; ; tick++ {
		due := start.Add(time.Duration(tick) * time.Millisecond)
		wait := time.Until(due)
		if wait > 0 {
			select {
			case <-ended:
				for _, each := range late {
					fmt.Println(float64(each.Nanoseconds()) / 1000)
				}
				return
			default:
			}
		}
		time.Sleep(wait)
		late = append(late, time.Since(due))
	}
}
