"""What a generator draws: sheets of pictures, beside the training pictures most like them, and a training as a film."""
