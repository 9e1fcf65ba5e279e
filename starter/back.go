package starter

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// BackTo changes the spec into one that releases a version whose image is kept: nothing
// is baked and nothing of the database is changed, all else is as the spec says. Which
// schema that version needs is what was recorded when it was released.
func (l Loaded) BackTo(version string) (Loaded, error) {
	l.Spec.Version, l.Spec.Commit, l.Spec.Migrations = version, "", nil
	l.Spec.Image.Packer, l.Spec.Image.Existing, l.Spec.Image.Retained = nil, "", version
	l.Digest = derived(l.Digest, "to", version)
	if err := l.Spec.Validate(); err != nil {
		return l, &InputError{What: "release --to " + version, Err: err, Advice: "Give a version as it was released before; `switchyard environment` shows them."}
	}
	return l, nil
}

// ShortSoak asks for a shorter soak than the spec's. The release is marked as such.
func (l Loaded) ShortSoak(soak spec.Duration) (Loaded, spec.Duration, error) {
	was := *l.Spec.Soak.Duration
	if soak >= was {
		return l, 0, &InputError{What: "shorten the soak to " + soak.String(), Err: fmt.Errorf("the spec's soak is %s", was), Advice: "Leave --soak out, or give a shorter time."}
	}
	l.Spec.Soak.Duration = &soak
	l.Digest = derived(l.Digest, "soak", soak.String())
	return l, was, nil
}

func derived(digest, what, value string) string {
	sum := sha256.Sum256([]byte(digest + "\x00" + what + "\x00" + value))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Wishes are what a person asks for beyond the spec.
type Wishes struct {
	To             string        // version to go back to; "" releases what the spec says
	Soak           spec.Duration // a shorter soak; 0: the spec's
	OverrideFreeze string        // why the release may begin although the target is frozen
}

// Request makes the request of a release with these wishes; see NewRequest.
func (w Wishes) Request(l Loaded, id, requester string) (release.Request, error) {
	var was spec.Duration
	var err error
	if w.To != "" {
		if l, err = l.BackTo(w.To); err != nil {
			return release.Request{}, err
		}
	}
	if w.Soak > 0 {
		if l, was, err = l.ShortSoak(w.Soak); err != nil {
			return release.Request{}, err
		}
	}
	r, err := NewRequest(l, id, requester)
	if err != nil {
		return r, err
	}
	r.SoakWas, r.OverrideFreeze = was, w.OverrideFreeze
	return r, nil
}
