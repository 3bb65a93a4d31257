"""An OpenID Connect client: sign-in by browser or device, refresh, revocation."""
