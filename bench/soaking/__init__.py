"""What `bench/soak` is made of: a scene (gateway, target, issuer), load, trouble, and a watch."""
