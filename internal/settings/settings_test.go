package settings

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

// TestSignIn: what signing in needs is asked for where it is missing.
func TestSignIn(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	for _, c := range []struct {
		name, environ, want string
	}{
		{"none", "", ""},
		{"all", "RELBOT_GITHUB_CLIENT_ID=Iv1 RELBOT_GITHUB_CLIENT_SECRET=s RELBOT_PUBLIC_URL=https://r.example RELBOT_PUBLIC=true", ""},
		{"no secret", "RELBOT_GITHUB_CLIENT_ID=Iv1 RELBOT_PUBLIC_URL=https://r.example", "no client secret"},
		{"no id", "RELBOT_GITHUB_CLIENT_SECRET=hush RELBOT_PUBLIC_URL=https://r.example", "no client id"},
		{"no url", "RELBOT_GITHUB_CLIENT_ID=Iv1 RELBOT_GITHUB_CLIENT_SECRET=hush", "/auth/callback"},
		{"public", "RELBOT_PUBLIC=perhaps", "want true or false"},
	} {
		environ := append(strings.Fields(c.environ), "RELBOT_GITHUB_APP_ID=1", "RELBOT_WEBHOOK_SECRET=x", "RELBOT_GITHUB_PRIVATE_KEY="+string(text))
		_, err := Load("", environ, nil)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush")):
			t.Errorf("%s: %v, want %q and no secret", c.name, err, c.want)
		}
	}
}
