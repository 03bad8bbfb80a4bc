package ghapp_test

import (
	"net/url"
	"testing"

	"github.com/relbot/relbot/internal/ghapp"
)

// TestSignInURL: people are sent to the GitHub whose API it is.
func TestSignInURL(t *testing.T) {
	for api, want := range map[string]string{
		"https://api.github.com":            "https://github.com/login/oauth/authorize",
		"https://github.example.com/api/v3": "https://github.example.com/login/oauth/authorize",
	} {
		s, err := ghapp.NewSignIn(ghapp.Settings{APIURL: api}, "Iv1", "secret")
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(s.URL("https://relbot.example/auth/callback", "state", "0123456789012345678901234567890123456789012"))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		u.RawQuery = ""
		if u.String() != want || q.Get("client_id") != "Iv1" || q.Get("state") != "state" || q.Get("code_challenge_method") != "S256" || q.Get("redirect_uri") != "https://relbot.example/auth/callback" {
			t.Errorf("%s: %s %v", api, u, q)
		}
	}
}
