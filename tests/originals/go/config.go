// Package config stands in for github.com/aws/aws-sdk-go-v2/config.
package config

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func LoadDefaultConfig(context.Context) (aws.Config, error) { return aws.Config{}, nil }
