"""The papers' models: VideoGPT, Video Transformer, DVD-GAN, TrIVD-GAN, CVG and SSW-GAN."""
