package scan

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Tree reads the files below a directory, which may be a clone.
type Tree struct {
	Dir      string
	Progress io.Writer // shows how many files were read

	read    int      // files that were read one by one
	skipped []string // files that Discover did not look through, and why
}

// step is how many files are read between two words about progress.
const step = 500

// maxFile is the size of the largest file that is read, in bytes.
const maxFile = 64 << 20

// Files lists what git does not ignore, or outside a clone everything but hidden directories; with a revision only what changed since.
func (t *Tree) Files(ctx context.Context, since string) ([]string, error) {
	if repo, err := gitrepo.Open(ctx, t.Dir); err == nil {
		all, err := repo.Listed(ctx, since)
		if err != nil {
			return nil, err
		}
		base, err := filepath.Abs(t.Dir)
		if err != nil {
			return nil, err
		}
		if real, err := filepath.EvalSymlinks(base); err == nil {
			base = real
		}
		prefix, err := filepath.Rel(repo.Dir(), base)
		if err != nil || prefix == "." {
			return all, err
		}
		var out []string
		for _, f := range all {
			if rest, ok := strings.CutPrefix(f, filepath.ToSlash(prefix)+"/"); ok {
				out = append(out, rest)
			}
		}
		return out, nil
	} else if since != "" {
		return nil, err
	}
	var out []string
	err := filepath.WalkDir(t.Dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != t.Dir && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".github" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(t.Dir, p)
			if err != nil {
				return err
			}
			out = append(out, filepath.ToSlash(rel))
		}
		return nil
	})
	return out, err
}

// Read reads a file by its path below the directory.
func (t *Tree) Read(path string) versionscan.Fact[versionscan.File] {
	if t.read++; t.read%step == 0 {
		fmt.Fprintf(t.Progress, "\r%d files", t.read)
	}
	full := filepath.Join(t.Dir, filepath.FromSlash(path))
	info, err := os.Lstat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return versionscan.None[versionscan.File]("")
	case err != nil:
		return versionscan.NotKnown[versionscan.File](err.Error())
	case info.Mode()&fs.ModeSymlink != 0:
		return versionscan.Know(versionscan.File{Link: true})
	case !info.Mode().IsRegular():
		return versionscan.None[versionscan.File]("")
	case info.Size() > maxFile:
		return versionscan.NotKnown[versionscan.File](fmt.Sprintf("it is larger than %d MiB", maxFile>>20))
	}
	content, err := os.ReadFile(full)
	if err != nil {
		return versionscan.NotKnown[versionscan.File](err.Error())
	}
	return versionscan.Know(gitrepo.FileOf(content))
}

// done ends the words about progress.
func (t *Tree) done() {
	if t.read >= step {
		fmt.Fprintf(t.Progress, "\r%d files          \n", t.read)
	}
}

// Discover looks through files for constants that look like gates, one a processor at a time, so that memory is bounded by the largest files.
func (t *Tree) Discover(files []string, scheme release.Scheme) []find.Finding {
	var mu sync.Mutex
	var out []find.Finding
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			var buffer []byte
			for {
				i := int(next.Add(1)) - 1
				if i >= len(files) {
					return
				}
				if i%step == 0 {
					fmt.Fprintf(t.Progress, "\r%d of %d files", i, len(files))
				}
				content, err := textOf(filepath.Join(t.Dir, filepath.FromSlash(files[i])), &buffer)
				if err != nil {
					mu.Lock()
					t.skipped = append(t.skipped, fmt.Sprintf("%s: %v", files[i], err))
					mu.Unlock()
					continue
				}
				if found := find.Discover(files[i], content, scheme); len(found) > 0 {
					mu.Lock()
					out = append(out, found...)
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	fmt.Fprintf(t.Progress, "\r%d files          \n", len(files))
	slices.SortFunc(out, func(a, b find.Finding) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), a.Line-b.Line, a.Column-b.Column)
	})
	return out
}

// textOf reads a file into a buffer that is used again and again. What is no regular file, or has a NUL byte near its beginning, has no text.
func textOf(path string, buffer *[]byte) ([]byte, error) {
	f, err := os.OpenFile(path, asItIs, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ELOOP):
		return nil, nil
	case err != nil:
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, nil
	case info.Size() > maxFile:
		return nil, fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	size := int(info.Size())
	if cap(*buffer) < size {
		*buffer = make([]byte, size)
	}
	b := (*buffer)[:size]
	head := min(size, binaryHead)
	if n, err := io.ReadFull(f, b[:head]); err != nil || bytes.IndexByte(b[:n], 0) >= 0 {
		return nil, ignoreShort(err)
	}
	n, err := io.ReadFull(f, b[head:])
	return b[:head+n], ignoreShort(err)
}

// binaryHead is how much of a file is looked at to see that it is no text, in bytes.
const binaryHead = 8 << 10

// ignoreShort is the error of a read, unless the file shrank under it.
func ignoreShort(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
