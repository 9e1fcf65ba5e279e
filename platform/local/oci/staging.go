package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/switchyard/switchyard/platform"
)

// RootVariable is set in the environment of every command that a bake runs on an
// image's root. It tells the command where that root is, and it lets a sweep find
// commands that outlived their bake.
const RootVariable = "SWITCHYARD_ROOT"

const (
	stagingDir = ".staging"
	bakeFile   = "bake.json"
	// ownerGrace is how long a sweep lets the process of an interrupted bake clean
	// up by itself before it is killed.
	ownerGrace = 5 * time.Second
)

var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// Staging is the work area of one bake inside the store, on the same file system.
type Staging struct {
	Dir  string // the area itself, holding bake.json
	Root string // the image's root being made
	Temp string // scratch space that never becomes part of the image
}

// bakeMark says whose work area it is, for the sweep.
type bakeMark struct {
	Tag     string    `json:"tag"`
	PID     int       `json:"pid"`
	Started uint64    `json:"processStart"` // clock ticks since boot; tells a reused process id apart
	At      time.Time `json:"at"`
}

// NewStaging makes a work area for the bake of the given tag (a release id; may be
// empty). The caller removes it with Close; after a kill Sweep does.
func (s *Store) NewStaging(tag string) (*Staging, error) {
	parent := filepath.Join(s.dir, stagingDir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("make staging directory: %w", err)
	}
	removeUntagged(parent)
	dir, err := os.MkdirTemp(parent, unsafeInName.ReplaceAllString(tag, "_")+"-")
	if err != nil {
		return nil, fmt.Errorf("make staging directory: %w", err)
	}
	st := &Staging{Dir: dir, Root: filepath.Join(dir, "root"), Temp: filepath.Join(dir, "tmp")}
	mark, err := json.Marshal(bakeMark{Tag: tag, PID: os.Getpid(), Started: processStart(os.Getpid()), At: time.Now().UTC()})
	if err == nil {
		err = errors.Join(
			WriteFileAtomic(filepath.Join(dir, bakeFile), mark, 0o644),
			os.Mkdir(st.Root, 0o755), os.Mkdir(st.Temp, 0o755))
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("make staging directory %s: %w", dir, err)
	}
	return st, nil
}

// removeUntagged removes what killed bakes without a tag left, for which nobody
// will ask for a sweep.
func removeUntagged(parent string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		dir := filepath.Join(parent, e.Name())
		m := readMark(dir, "")
		if m.Tag == "" && (!alive(m.PID) || processStart(m.PID) != m.Started) {
			_ = (&Staging{Dir: dir, Root: filepath.Join(dir, "root")}).Close()
		}
	}
}

// Close ends every command that still runs on the root and removes the area.
func (st *Staging) Close() error {
	killUsersOf(st.Root)
	return removeAll(st.Dir)
}

// Sweep removes what interrupted bakes of the tag left in the store: commands that
// still run, staging directories and images that were never accepted. It says what
// it removed. A bake of the same tag that is still cleaning up gets 5 seconds for
// it; the caller makes sure that no bake of this tag is meant to go on.
func Sweep(store *Store, bakeTag string) ([]string, error) {
	return store.Sweep(bakeTag)
}

// Sweep is the function Sweep on this store.
func (s *Store) Sweep(bakeTag string) ([]string, error) {
	if bakeTag == "" {
		return nil, platform.NewError(platform.KindInvalid, "sweep bake in", s.dir, "name the bake's tag, the release id", errors.New("no tag"))
	}
	var removed []string
	var errs []error
	entries, err := os.ReadDir(filepath.Join(s.dir, stagingDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("sweep bake %q in %s: %w", bakeTag, s.dir, err)
	}
	for _, e := range entries {
		dir := filepath.Join(s.dir, stagingDir, e.Name())
		mark := readMark(dir, bakeTag)
		if mark.Tag != bakeTag {
			continue
		}
		stopOwner(mark, dir)
		st := Staging{Dir: dir, Root: filepath.Join(dir, "root")}
		if err := st.Close(); err != nil {
			errs = append(errs, fmt.Errorf("remove staging directory %s: %w", dir, err))
			continue
		}
		removed = append(removed, "staging directory "+dir)
	}
	images, err := s.dropPending(bakeTag, "")
	for _, d := range images {
		removed = append(removed, "unaccepted image "+d)
	}
	return removed, errors.Join(append(errs, err)...)
}

// readMark reads the mark of a staging directory. One whose maker died before it
// wrote the mark is told by its name: the tag and a random number.
func readMark(dir, tag string) bakeMark {
	var m bakeMark
	raw, err := os.ReadFile(filepath.Join(dir, bakeFile))
	if err == nil && json.Unmarshal(raw, &m) == nil {
		return m
	}
	info, err := os.Stat(dir)
	suffix, ours := strings.CutPrefix(filepath.Base(dir), unsafeInName.ReplaceAllString(tag, "_")+"-")
	if _, number := strconv.ParseUint(suffix, 10, 64); err == nil && ours && number == nil && time.Since(info.ModTime()) > ownerGrace {
		return bakeMark{Tag: tag}
	}
	return bakeMark{Tag: "\x00unknown"}
}

// Discard takes back a pending image of the tag; it stays when it was accepted or
// when a bake of another tag made it too.
func (s *Store) Discard(digest, tag string) error {
	_, err := s.dropPending(tag, digest)
	return err
}

// dropPending takes the tag off pending images, off one or off all when digest is
// empty, and removes those nobody else bakes.
func (s *Store) dropPending(tag, digest string) ([]string, error) {
	var gone []string
	err := s.exclusive(func() error {
		ix, err := s.readIndex()
		if err != nil {
			return err
		}
		var keep []v1.Descriptor
		changed := false
		for _, d := range ix.Manifests {
			was := d.Annotations[annotationPending]
			left := dropTag(was, tag)
			if left == was || (digest != "" && d.Digest.String() != digest) {
				keep = append(keep, d)
				continue
			}
			changed = true
			if left == "" {
				gone = append(gone, d.Digest.String())
				continue
			}
			d.Annotations[annotationPending] = left
			keep = append(keep, d)
		}
		if !changed {
			return nil
		}
		err = s.updateIndex(func(ix *v1.IndexManifest) error {
			ix.Manifests = append([]v1.Descriptor{}, keep...)
			return nil
		})
		if err != nil {
			return err
		}
		return s.collect()
	})
	return gone, err
}

// removeAll is os.RemoveAll for a tree in which a dying command may still write.
func removeAll(dir string) error {
	var err error
	for range 20 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}
