package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/certbound/certbound/examples/benchmarks/internal/report"
)

// sizeLimits are by how many MB a server may grow, stripped, above one whose
// check is written by hand.
var sizeLimits = []struct {
	program string
	most    float64
}{{"bindhttp", 0.3}, {"jwks", 1.5}, {"dpop", 1.6}}

// downloadLimit is how many MB of modules the quickstart may need.
const downloadLimit = 30

// sizes measures what is linked and what is downloaded. It needs the sources,
// and the module proxy.
func (r *run) sizes() error {
	defer r.begin("sizes")()
	folder, err := os.MkdirTemp("", "sizes-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	base, err := sizeOf(folder, "handwritten")
	if err != nil {
		return err
	}
	for _, limit := range sizeLimits {
		size, err := sizeOf(folder, limit.program)
		if err != nil {
			return err
		}
		r.add(report.AtMost("a stripped server, to one whose check is written by hand", "with "+limit.program, "%+.2f MB", limit.most, size-base))
		r.round(0)
	}
	if r.once {
		return nil // nobody wants the modules downloaded to see that it works
	}
	downloaded, err := downloads(folder)
	if err != nil {
		return err
	}
	r.add(report.AtMost("go run ./examples/quickstart, empty caches: modules downloaded", "", "%.1f MB", downloadLimit, downloaded))
	return nil
}

// sizeOf builds a program, and returns how many MB it has.
func sizeOf(folder, program string) (float64, error) {
	path := filepath.Join(folder, program)
	command := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./internal/size/"+program)
	if output, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", program, err, output)
	}
	file, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return float64(file.Size()) / 1e6, nil
}

// downloads has the modules that hold the quickstart's packages downloaded, and
// returns how many MB that are.
func downloads(folder string) (total float64, err error) {
	cache := filepath.Join(folder, "modules")
	command := exec.Command("go", "list", "-deps", "./examples/quickstart")
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), "GOMODCACHE="+cache, "GOFLAGS=-modcacherw")
	if output, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, output)
	}
	err = filepath.WalkDir(filepath.Join(cache, "cache", "download"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += float64(info.Size()) / 1e6
		}
		return err
	})
	if err == nil && total == 0 {
		err = errors.New("nothing was downloaded")
	}
	return total, err
}
