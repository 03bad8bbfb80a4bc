//go:build unix

package sqlite

import (
	"io/fs"
	"os"
	"syscall"
)

// lock takes a file for this process alone, or fails at once. It ends with the process.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// names is how many hard links a file has.
func names(_ string, info fs.FileInfo) uint64 {
	if system, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(system.Nlink)
	}
	return 1
}
