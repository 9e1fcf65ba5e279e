// packer-plugin-switchyard teaches Packer to make OCI images in a directory, to find
// the image that is live in an environment, and to leave a receipt of a bake.
//
//	packer {
//	  required_plugins {
//	    switchyard = {
//	      source  = "github.com/switchyard/switchyard"
//	      version = ">= 0.1.0"
//	    }
//	  }
//	}
package main

import (
	"fmt"
	"os"

	"github.com/hashicorp/packer-plugin-sdk/plugin"
	"github.com/hashicorp/packer-plugin-sdk/version"

	"github.com/switchyard/switchyard/cmd/packer-plugin-switchyard/internal/image"
	"github.com/switchyard/switchyard/cmd/packer-plugin-switchyard/internal/live"
	"github.com/switchyard/switchyard/cmd/packer-plugin-switchyard/internal/receipts"
)

// Version is what required_plugins is compared with. Packer wants it without a "v".
const Version = "0.1.0"

func main() {
	set := plugin.NewSet()
	set.RegisterBuilder("oci", new(image.Builder))
	set.RegisterDatasource("live-image", new(live.Datasource))
	set.RegisterPostProcessor("receipt", new(receipts.PostProcessor))
	set.SetVersion(version.NewPluginVersion(Version, "", ""))
	if err := set.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
