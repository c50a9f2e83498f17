"""Pictures: photo folders to arrays, their cache, augmentation, and pairs to enlarge."""
