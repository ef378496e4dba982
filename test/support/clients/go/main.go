// Fetches every CVE with vuls-data-update, from the API at ENDPOINT into the directory DIR: a file each.
//
//	nvdclients ENDPOINT DIR
package main

import (
	"log"
	"os"

	"github.com/MaineK00n/vuls-data-update/pkg/fetch/nvd/api/cve"
)

func main() {
	if err := cve.Fetch(cve.WithBaseURL(os.Args[1]), cve.WithDir(os.Args[2]), cve.WithConcurrency(2)); err != nil {
		log.Fatal(err)
	}
}
