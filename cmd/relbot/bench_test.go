package main

import (
	"testing"

	"github.com/relbot/relbot/internal/scenario"
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
