package scan

import (
	"os"
	"syscall"
)

// asItIs opens a file without following a link.
const asItIs = os.O_RDONLY | syscall.FILE_FLAG_OPEN_REPARSE_POINT
