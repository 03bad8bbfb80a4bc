package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unicode"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/gitrepo"
	"github.com/relbot/relbot/internal/policy"
	"github.com/relbot/relbot/internal/rules"
	"github.com/relbot/relbot/internal/versionscan"
	"github.com/relbot/relbot/internal/versionscan/find"
	versions "github.com/relbot/relbot/internal/versionscan/release"
)

// The shapes of `relbot scan --format json`.
type (
	scanAnswer struct {
		Gates []scanGate `json:"gates"`
	}
	scanGate struct {
		ID        *string   `json:"id"`
		Path      *string   `json:"path"`
		Line      *int      `json:"line"`
		Column    *int      `json:"column"`
		Name      *string   `json:"name"`
		Raw       *string   `json:"raw"`
		Value     *string   `json:"value"`
		Form      *string   `json:"form"`
		Anomalies []anomaly `json:"anomalies"`
	}
	anomaly struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
)

func scanCommand() *cobra.Command {
	var format, since string
	var discover bool
	c := &cobra.Command{
		Use:   "scan [DIR]",
		Short: "List every version gate of a tree, with what is odd about it",
		Long:  "List the gates that DIR's policy registers, and with --discover also constants that look like gates.\nExits 1 when a registered gate is missing, ambiguous or no version.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "json", "sarif"}, format) {
				return fmt.Errorf("--format %q: want text, json or sarif", format)
			}
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			s := scanner{dir: dir, since: since, discover: discover, progress: io.Discard, stderr: cmd.ErrOrStderr()}
			if f, ok := cmd.ErrOrStderr().(*os.File); ok && isatty.IsTerminal(f.Fd()) {
				s.progress = f
			}
			answer, err := s.scan(cmd.Context())
			if err != nil {
				return err
			}
			slices.Sort(s.skipped)
			for _, f := range s.skipped {
				fmt.Fprintln(cmd.ErrOrStderr(), "skipped", printable(f))
			}
			if len(s.policy.Gates) == 0 && !discover && format == "text" {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s registers no gate; --discover looks for constants that look like gates\n", filepath.Join(dir, policy.Path))
			}
			return answer.write(cmd.OutOrStdout(), format)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text, json or sarif")
	c.Flags().BoolVar(&discover, "discover", false, "also list constants that look like gates and are not registered")
	c.Flags().StringVar(&since, "since", "", "look only at files that changed since this revision")
	return c
}

type scanner struct {
	dir, since string
	discover   bool
	progress   io.Writer
	stderr     io.Writer
	policy     rules.Policy
	skipped    []string          // files that were not looked through, and why
	history    *versions.History // nil where there is none to be had
	released   string            // the release tag that is checked out
	looked     int               // files that were read for registered gates
}

// fewFiles is from how many files on progress is worth a word.
const fewFiles = 500

// maxScanned is the largest file that is looked at.
const maxScanned = 64 << 20

func (s *scanner) scan(ctx context.Context) (*scanAnswer, error) {
	if info, err := os.Stat(s.dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s: not a directory", s.dir)
	}
	text, err := os.ReadFile(filepath.Join(s.dir, policy.Path))
	switch {
	case err == nil:
		p, err := parsePolicy(placeholder, policy.Path, text, s.stderr)
		if err != nil {
			return nil, err
		}
		s.policy = *p
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case !s.discover:
		return nil, fmt.Errorf("%s: no policy there: nothing is registered; --discover looks for constants that look like gates", filepath.Join(s.dir, policy.Path))
	}
	files, err := s.files(ctx, "")
	if err != nil {
		return nil, err
	}
	changed := files
	if s.since != "" {
		if changed, err = s.files(ctx, s.since); err != nil {
			return nil, err
		}
	}
	var scheme versions.Scheme
	if s.policy.Releases != nil {
		scheme = s.policy.Releases.Scheme
	}
	s.look(ctx)
	answer := &scanAnswer{Gates: []scanGate{}}
	type place struct {
		path string
		line int
	}
	registered := map[place]bool{}
	for _, g := range s.policy.Gates {
		if s.since != "" && !slices.ContainsFunc(changed, func(f string) bool { return versionscan.Match(g.Find.Path, f) }) {
			continue
		}
		facts := map[string]versionscan.Fact[versionscan.File]{}
		for _, f := range files {
			if versionscan.Match(g.Find.Path, f) {
				fact := s.read(f)
				if fact.Known() && !g.Find.Concerns(fact.Value.Text) {
					fact.Value.Text = ""
				}
				facts[f] = fact
			}
		}
		found, trouble := g.Locate(scheme, facts)
		id := g.ID
		switch {
		case found.Known() && s.since != "" && !slices.Contains(changed, found.Value.Path): // another file of its glob changed
		case trouble != nil:
			row := scanGate{ID: &id, Path: known(g.Find.Path), Anomalies: []anomaly{{trouble.Code, trouble.Message}}}
			if len(trouble.Findings) > 0 {
				row = rowOf(trouble.Findings[0], row.Anomalies)
				row.ID = &id
			}
			answer.Gates = append(answer.Gates, row)
		case found.Known():
			registered[place{found.Value.Path, found.Value.Line}] = true
			row := rowOf(found.Value, s.oddities(found.Value, g.Relation))
			row.ID = &id
			answer.Gates = append(answer.Gates, row)
		default:
			answer.Gates = append(answer.Gates, scanGate{ID: &id, Path: known(g.Find.Path), Anomalies: []anomaly{{unreadable, found.Why}}})
		}
	}
	if s.looked >= fewFiles {
		fmt.Fprintf(s.progress, "\r%d files          \n", s.looked)
	}
	if s.discover {
		for _, f := range s.discovered(changed, scheme) {
			if !registered[place{f.Path, f.Line}] {
				answer.Gates = append(answer.Gates, rowOf(f, s.oddities(f, rules.IntroducedIn)))
			}
		}
	}
	s.distances(answer.Gates, scheme)
	return answer, nil
}

// unreadable is the anomaly of a gate whose file could not be read, so that nobody can tell.
const unreadable = "unreadable"

// files lists what git does not ignore, or outside a clone everything but hidden directories; with a revision only what changed since.
func (s *scanner) files(ctx context.Context, since string) ([]string, error) {
	if repo, err := gitrepo.Open(ctx, s.dir); err == nil {
		all, err := repo.Listed(ctx, since)
		if err != nil {
			return nil, err
		}
		base, err := filepath.Abs(s.dir)
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
	err := filepath.WalkDir(s.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != s.dir && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".github" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(s.dir, p)
			if err != nil {
				return err
			}
			out = append(out, filepath.ToSlash(rel))
		}
		return nil
	})
	return out, err
}

func (s *scanner) read(path string) versionscan.Fact[versionscan.File] {
	if s.looked++; s.looked%fewFiles == 0 {
		fmt.Fprintf(s.progress, "\r%d files", s.looked)
	}
	full := filepath.Join(s.dir, filepath.FromSlash(path))
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
	case info.Size() > maxScanned:
		return versionscan.NotKnown[versionscan.File](fmt.Sprintf("it is larger than %d MiB", maxScanned>>20))
	}
	content, err := os.ReadFile(full)
	if err != nil {
		return versionscan.NotKnown[versionscan.File](err.Error())
	}
	return versionscan.Know(gitrepo.FileOf(content))
}

// discovered looks through all files, one a processor at a time, so that memory is bounded by the largest files.
func (s *scanner) discovered(files []string, scheme versions.Scheme) []find.Finding {
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
				if i%fewFiles == 0 {
					fmt.Fprintf(s.progress, "\r%d of %d files", i, len(files))
				}
				content, err := textOf(filepath.Join(s.dir, filepath.FromSlash(files[i])), &buffer)
				if err != nil {
					mu.Lock()
					s.skipped = append(s.skipped, fmt.Sprintf("%s: %v", files[i], err))
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
	fmt.Fprintf(s.progress, "\r%d files          \n", len(files))
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
	case info.Size() > maxScanned:
		return nil, fmt.Errorf("larger than %d MiB", maxScanned>>20)
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

// look reads the release history of the clone, where there is one, and whether a release is checked out.
func (s *scanner) look(ctx context.Context) {
	if s.policy.Releases == nil {
		return
	}
	repo, err := gitrepo.Open(ctx, s.dir)
	if err != nil {
		return
	}
	tags, err := repo.Tags(ctx)
	if err != nil || len(tags) == 0 {
		return
	}
	branches, err := repo.Branches(ctx)
	if err != nil {
		return
	}
	s.history = s.policy.Releases.History(tags, slices.Collect(maps.Keys(branches)))
	head, err := repo.Resolve(ctx, "HEAD")
	if err != nil {
		return
	}
	for _, r := range s.history.Releases() {
		if r.Speaks != nil && r.Speaks.Commit == head {
			s.released = r.Speaks.Name
		}
	}
}

// oddities is what is odd about a finding by itself and in the light of the release history.
func (s *scanner) oddities(f find.Finding, relation rules.Relation) []anomaly {
	out := []anomaly{}
	if f.Mismatch != "" {
		out = append(out, anomaly{string(rules.GateNameMismatch), f.Mismatch})
	}
	if f.Placeholder && s.released != "" {
		out = append(out, anomaly{string(rules.GateUnparsable), fmt.Sprintf("the release %s still has the placeholder %s", s.released, f.Raw)})
	}
	if s.history == nil || f.Value.IsZero() {
		return out
	}
	newest := versions.Version{}
	known := false
	for _, r := range s.history.Releases() {
		if r.Cut {
			newest = r.Core
		}
		known = known || r.Core.At(versions.Minor).Compare(f.Value.At(versions.Minor)) == 0
	}
	if !known && f.Value.Core().Compare(newest) < 0 {
		out = append(out, anomaly{string(rules.GateUnreal), fmt.Sprintf("%s is below the newest release %s and was never released", f.Value.Core(), newest)})
	}
	if oldest, ok := s.history.Oldest(s.policy.Releases.Supported); ok && relation != rules.RemovedIn && f.Value.Core().Compare(oldest) < 0 {
		out = append(out, anomaly{"removable", fmt.Sprintf("every supported release, from %s on, is past it", oldest)})
	}
	return out
}

// distances adds what comments claim of the distance between two of the gates, where that is not so.
func (s *scanner) distances(gates []scanGate, scheme versions.Scheme) {
	values := map[string]versions.Version{}
	for _, g := range gates {
		if v, err := scheme.Parse(deref(g.Value)); err == nil && g.Name != nil {
			values[*g.Name] = v
		}
	}
	rel := versions.Releases{Scheme: scheme}
	if s.policy.Releases != nil {
		rel = *s.policy.Releases
	}
	lines := map[string][]int{}
	for _, g := range gates {
		if g.Line != nil && g.Name != nil {
			lines[*g.Path] = append(lines[*g.Path], *g.Line)
		}
	}
	claims := map[string]map[int][]find.Claim{}
	for path, at := range lines {
		claims[path] = find.Claims(path, s.read(path).Value.Text, at)
	}
	for i, g := range gates {
		if g.Line == nil || g.Name == nil {
			continue
		}
		own, ok := values[*g.Name]
		for _, c := range claims[*g.Path][*g.Line] {
			other, found := values[c.Name]
			if !ok || !found || c.Name == *g.Name {
				continue
			}
			if n, ok := rel.Between(own, other, s.history); ok && n != c.Releases {
				gates[i].Anomalies = append(gates[i].Anomalies, anomaly{"comment-distance",
					fmt.Sprintf("the comment in line %d says %d between %s and %s, there are %d: %s and %s", c.Line, c.Releases, *g.Name, c.Name, n, own, other)})
			}
		}
	}
}

func rowOf(f find.Finding, odd []anomaly) scanGate {
	return scanGate{Path: known(f.Path), Line: &f.Line, Column: &f.Column, Name: known(f.Name), Raw: known(f.Raw), Value: known(f.Value.String()), Form: known(f.Form), Anomalies: odd}
}

// write prints the answer and turns gates that cannot be read into an exit code.
func (a *scanAnswer) write(out io.Writer, format string) error {
	var err error
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	switch format {
	case "json":
		err = enc.Encode(a)
	case "sarif":
		err = enc.Encode(a.sarif())
	default:
		var text strings.Builder
		for _, g := range a.Gates {
			if g.Line == nil {
				fmt.Fprintf(&text, "%s: %s\n", printable(deref(g.Path)), registration(g.ID))
			} else {
				fmt.Fprintf(&text, "%s:%d:%d: %s = %s (%s) %s\n", printable(deref(g.Path)), *g.Line, *g.Column, deref(g.Name), printable(deref(cmp.Or(g.Value, g.Raw))), deref(g.Form), registration(g.ID))
			}
			for _, o := range g.Anomalies {
				fmt.Fprintf(&text, "    %s: %s\n", o.Code, printable(o.Message))
			}
		}
		_, err = io.WriteString(out, actionsJob{getenv: os.Getenv}.shield(text.String()))
	}
	if err != nil {
		return unsure(err)
	}
	unknown := ""
	for _, g := range a.Gates {
		for _, o := range g.Anomalies {
			switch o.Code {
			case string(rules.GateMissing), string(rules.GateAmbiguous), string(rules.GateUnparsable):
				return blocked
			case unreadable:
				unknown = cmp.Or(unknown, fmt.Sprintf("gate %s: %s", deref(g.ID), o.Message))
			}
		}
	}
	if unknown != "" {
		return unsure(errors.New(unknown))
	}
	return nil
}

func deref(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// printable is what a tree holds as it may be printed: control characters would give orders to a terminal, and a new line begins one that is not
// relbot's.
func printable(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) {
		s = strconv.Quote(s)
	}
	return s
}

// registration names a gate, or says that nobody registered it.
func registration(id *string) string {
	if id == nil {
		return "not registered"
	}
	return "gate " + *id
}
