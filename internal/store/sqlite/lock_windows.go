package sqlite

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// lock takes a file for this process alone, or fails at once. It ends with the process.
func lock(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
}

// names is how many hard links a file has; 1 where that cannot be found out.
func names(path string, _ fs.FileInfo) uint64 {
	f, err := os.Open(path)
	if err != nil {
		return 1
	}
	defer f.Close()
	var about windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &about) != nil {
		return 1
	}
	return uint64(about.NumberOfLinks)
}
