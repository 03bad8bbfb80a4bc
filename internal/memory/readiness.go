package memory

import (
	"context"

	"github.com/relbot/relbot/internal/coupling"
)

// Readiness is how much relbot knows of a repository; the package comment has its table.
type Readiness string

// How much is known of a repository.
const (
	Absent   Readiness = "absent"   // that the App is installed there is not known
	Unknown  Readiness = "unknown"  // the App is installed, and the policy was not read
	Surveyed Readiness = "surveyed" // the policy was read
	Restored Readiness = "restored" // commands and descriptions were taken up, too
	Gone     Readiness = "gone"     // the App was uninstalled there
)

// Readiness returns how much is known of a repository as far as its document says: [Surveyed] may be [Restored].
func (d Repo) Readiness() Readiness {
	switch {
	case d.Name == "":
		return Absent
	case d.Gone:
		return Gone
	case !d.Surveyed():
		return Unknown
	}
	return Surveyed
}

// Readiness returns how much is known of a repository.
func (m *Memory) Readiness(ctx context.Context, repo coupling.Repo) (Readiness, error) {
	d, err := m.Repos.Load(ctx, repo)
	if err != nil {
		return "", err
	}
	if now := d.Readiness(); now != Surveyed {
		return now, nil
	}
	for _, list := range []List{Replayed, Proposed} {
		if done, err := m.Watermarks.Has(ctx, list.Of(repo)); err != nil || !done {
			return Surveyed, err
		}
	}
	return Restored, nil
}

// Has reports whether work that needs a readiness may run.
func (r Readiness) Has(need Readiness) bool {
	switch need {
	case Surveyed:
		return r == Surveyed || r == Restored || r == Gone
	case Restored:
		return r == Restored || r == Gone || r == Absent
	}
	return true
}
