"""Where a provider is and what it speaks: one tagged struct a kind of provider. No credential in here."""
