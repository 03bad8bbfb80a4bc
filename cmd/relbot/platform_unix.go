//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// surviveFullDisks makes a limit on file sizes an error like a full disk, and no reason to die.
func surviveFullDisks() { signal.Ignore(syscall.SIGXFSZ) }
