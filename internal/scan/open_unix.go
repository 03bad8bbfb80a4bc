//go:build unix

package scan

import (
	"os"
	"syscall"
)

// asItIs opens a file without following a link and without waiting for the other end of a pipe.
const asItIs = os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
