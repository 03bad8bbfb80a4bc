package main

import (
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relbot/relbot/internal/scan"
	"github.com/relbot/relbot/internal/scenario"
	"github.com/relbot/relbot/internal/versionscan/find"
)

// BenchmarkStory plays the real story, some four months of a repository's life.
func BenchmarkStory(b *testing.B) {
	s, problems, err := scenario.Load("../../scenarios/story.yml")
	if err != nil || len(problems) > 0 {
		b.Fatal(err, problems)
	}
	for b.Loop() {
		r, err := scenario.Run(b.Context(), s, scenario.Options{Start: startSimulated})
		if err != nil || !r.OK {
			b.Fatal(err, r)
		}
	}
}

// BenchmarkScan looks through the module cache for gates, and reports the ratio to ripgrep's search for the same names. ripgrep searches bytes,
// since with Unicode's classes it is ten times slower.
func BenchmarkScan(b *testing.B) {
	rg, err := exec.LookPath("rg")
	if err != nil {
		b.Fatal("ripgrep is not installed (apt-get install ripgrep); make bench does it")
	}
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		b.Fatal(err)
	}
	dir := strings.TrimSpace(string(out))
	var size int64
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	var own, grep time.Duration
	for b.Loop() {
		start := time.Now()
		var status *exec.ExitError
		if err := exec.Command(rg, "--count", "--no-messages", "-e", `(?-u:\b(?:`+find.GateName+`)\b)`, dir).Run(); err != nil && !errors.As(err, &status) {
			b.Fatal(err)
		}
		grep += time.Since(start)
		start = time.Now()
		answer, err := scan.Scan(b.Context(), scan.Options{Dir: dir, Discover: true, Progress: io.Discard})
		if err != nil || len(answer.Gates) == 0 {
			b.Fatal("found nothing", err)
		}
		own += time.Since(start)
	}
	b.ReportMetric(float64(own)/float64(grep), "×ripgrep")
	b.ReportMetric(float64(size)*float64(b.N)/own.Seconds()/1e6, "MB/s")
}
