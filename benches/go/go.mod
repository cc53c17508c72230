module maniac/benches

go 1.22
