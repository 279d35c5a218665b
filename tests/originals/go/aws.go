// Package aws stands in for github.com/aws/aws-sdk-go-v2/aws.
package aws

type Config struct{}

func String(v string) *string { return &v }
