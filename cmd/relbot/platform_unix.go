//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// asItIs opens a file without following a link and without waiting for the other end of a pipe.
const asItIs = os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// surviveFullDisks makes a limit on file sizes an error like a full disk, and no reason to die.
func surviveFullDisks() { signal.Ignore(syscall.SIGXFSZ) }
