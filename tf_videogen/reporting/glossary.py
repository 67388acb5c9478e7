"""One sentence for each metric, term of a loss and kind of video that a page shows."""

import typing


class Entry(typing.NamedTuple):
  """The name and the meaning of a quantity; `better` is 'lower', 'higher' or '' for neither."""
  title: str
  better: str
  sentence: str


METRICS = {
    'nmse': Entry(
        'NMSE', 'lower', 'Mean squared error of the reconstructions, divided by the variance of '
        'the data: 0 is perfect, 1 is what a constant mean color would reach.'),
    'nmse_fixed_variance': Entry(
        'Squared error / 0.06', 'lower', 'Mean squared error of the reconstructions, divided by '
        '0.06 whatever the data, as the code of VideoGPT\'s authors tells it.'),
    'psnr': Entry(
        'PSNR, dB', 'higher', 'Peak signal-to-noise ratio, the mean over frames: 6 dB more is half '
        'the error; from about 30 dB on, differences are hard to see.'),
    'ssim': Entry(
        'SSIM', 'higher', 'Structural similarity, the mean over frames: compares local brightness, '
        'contrast and structure; 1 is identical.'),
    'lpips': Entry(
        'LPIPS', 'lower', 'Perceptual distance, the mean over frames: compares what a network '
        'trained on photographs sees at every place; 0 is identical.'),
    'codebook_perplexity': Entry(
        'Codebook perplexity', 'higher', 'The effective number of codes in use: as varied as if so '
        'many codes were used equally often; at most the size of the codebook.'),
    'codebook_usage': Entry(
        'Codebook usage', 'higher', 'The share of the codes that occurred at least once in the '
        'evaluated clips; unused codes are wasted capacity.'),
    'bits_per_code': Entry(
        'Bits per latent code', 'lower', 'How many bits the prior needs for one code of a clip '
        'that it has not seen; a prior that knows nothing needs log2 of the codebook\'s size.'),
    'nats_per_code': Entry(
        'Nats per latent code', 'lower', 'The same in nats, the unit of natural logarithms: one '
        'bit is 0.693 nats. It is the loss of the prior.'),
    'nats_per_clip': Entry(
        'Nats per clip', 'lower', 'The negative log-likelihood of all codes of a clip together.'),
    'nats_per_frame': Entry(
        'Nats per frame', 'lower', 'The negative log-likelihood of all pixels of a frame together, '
        'the mean over the frames that are not given.'),
    'least_nats_per_frame': Entry(
        'Least nats per frame', '', 'What a frame costs that is predicted perfectly: the entropy '
        'of its gray values, below which no model comes.'),
    'nats': Entry('Nats', 'lower', 'Negative log-likelihood in units of natural logarithms.'),
    'bits_per_dim': Entry(
        'Bits per dimension', 'lower', 'Negative log-likelihood in bits, divided by the number of '
        'values that are modeled.'),
    'fvd': Entry(
        'FVD', 'lower', 'Fréchet video distance: how far apart samples and data are as normal '
        'distributions of the features of an I3D network; 0 if they are the same.'),
    'fvd_infinity': Entry(
        'FVD, infinity', 'lower', 'The Fréchet video distance that is to be expected of infinitely '
        'many videos, by a line through the distances of fewer ones: without the bias of few.'),
    'fvd_by_videos': Entry(
        'FVD by number of videos', '', 'The Fréchet video distance of fewer of the videos: how '
        'much of it is the bias of few.'),
    'kvd': Entry(
        'KVD', 'lower', 'Kernel video distance: how far apart the features of samples and data '
        'are by a polynomial kernel, without bias; about 0 if they are alike.'),
    'precision': Entry(
        'Precision', 'higher', 'The share of samples that look like some real video: how good '
        'they are, not how varied.'),
    'recall': Entry(
        'Recall', 'higher', 'The share of real videos that look like some sample: how much of the '
        'data the samples reach.'),
    'density': Entry(
        'Density', 'higher', 'The number of real videos that one sample looks like, compared with '
        'that of a real video: about 1 for real videos; outliers count little.'),
    'coverage': Entry(
        'Coverage', 'higher', 'The share of real videos that have a sample nearby.'),
    'fvd_unrolled': Entry(
        'FVD (Avg)', 'lower', 'The average of the Fréchet video distances of all windows of 16 '
        'contiguous frames: long videos, measured at every place.'),
    'fvd_star': Entry(
        'FVD*', 'lower', 'The Fréchet video distance of samples to the data as the VQ-VAE '
        'reconstructs it: the prior alone is measured.'),
    'r_fvd': Entry(
        'R-FVD', 'lower', 'The Fréchet video distance of the VQ-VAE\'s reconstructions to the '
        'data: what the codes lose, which no prior brings back.'),
    'is': Entry(
        'Inception score', 'higher', 'High if a classifier is sure of every single sample and all '
        'samples together have many classes; says nothing of how they move.'),
    'is_std': Entry(
        'Inception score, deviation', '', 'The standard deviation of the Inception score over '
        'parts of the samples.'),
    'fid': Entry(
        'FID', 'lower', 'Fréchet Inception distance: how far apart samples and data are as normal '
        'distributions of the features of a classifier.'),
    'fid_infinity': Entry(
        'FID, infinity', 'lower', 'The Fréchet Inception distance that is to be expected of '
        'infinitely many videos.'),
    'power_spectrum': Entry(
        'Power spectrum', '', 'The power of a frame at every spatial frequency, the mean over '
        'directions: samples that blur fall below the data on the right.'),
    'psnr_copy_last_frame': Entry(
        'PSNR of copies, dB', '', 'What copies of the last given frame reach: who predicts less '
        'than this has learned nothing of motion.'),
    'ssim_copy_last_frame': Entry(
        'SSIM of copies', '', 'What copies of the last given frame reach.'),
    'frame_difference': Entry(
        'Frame difference', '', 'How much a pixel of samples changes from frame to frame, in gray '
        'levels: as much as in the data, where samples move as the data does.'),
    'frame_difference_of_data': Entry(
        'Frame difference of data', '', 'How much a pixel of the data changes from frame to '
        'frame.'),
    'psnr_of_input': Entry(
        'PSNR of the input, dB', 'higher', 'How close an upscaled video, made smaller again, is to '
        'the video that it was made from.'),
    'centroid_error': Entry(
        'Centroid error, pixels', 'lower', 'How far the center of mass of all shapes is from where '
        'it should be, the mean over frames.'),
    'motion_error': Entry(
        'Motion error, pixels per frame', 'lower', 'How far the motion of the shapes is from the '
        'true motion, the mean over frames.'),
    'nats_above_bound': Entry(
        'Nats per frame above the bound', 'lower', 'The loss per frame, less that of a model that '
        'knows the gray levels.'),
    'modelling_distance': Entry(
        'Fréchet distance to reconstructions', 'lower', 'How far apart samples and reconstructed '
        'clips are, by the features of the same small network.'),
    'decline': Entry(
        'Decline', 'lower', 'How much farther the last frames of samples are from test clips than '
        'the first frames, by the same Fréchet distance.'),
    'whole_shapes': Entry(
        'Frames with whole shapes', 'higher', 'The share of frames that show as many shapes as the '
        'data: none is lost, split or added.'),
    'frechet_distance': Entry(
        'Fréchet distance', 'lower', 'How far apart samples and test clips are as normal '
        'distributions of the features of a small network that was trained to tell motion.'),
    'diversity': Entry(
        'Diversity, gray levels', 'higher', 'How much two samples for the same conditions differ, '
        'the mean over pixels.'),
    'color_obeyed': Entry(
        'Color obeyed', 'higher', 'The share of samples whose shapes have the color of the class '
        'that was asked for.'),
    'discriminator_loss': Entry(
        'Discriminators\' loss', '', 'The hinge, Eq. 13: 2 if real and generated clips look the '
        'same to them, 0 if they tell all of them apart by a margin.'),
    'generator_loss': Entry(
        'Generator\'s loss', '', 'Minus the scores of generated clips, Eq. 14, and the penalty.'),
    'real_score': Entry('Score of real clips', '', 'The discriminators\' mean output.'),
    'fake_score': Entry('Score of generated clips', '', 'The discriminators\' mean output.'),
    'orthogonality': Entry(
        'Orthogonality', '', 'How far the generator\'s weights are from orthogonal, before its '
        'weight in the loss.'),
    'discriminator_gradient_norm': Entry(
        'Gradient norm, discriminators', '', 'The global norm, before clipping.'),
    'generator_gradient_norm': Entry(
        'Gradient norm, generator', '', 'The global norm, before clipping.'),
    'loss': Entry('Loss', 'lower', 'What training minimizes.'),
    'commitment': Entry(
        'Commitment', 'lower', 'How far the encoder\'s outputs are from the codes they are '
        'replaced by.'),
    'gradient_norm': Entry(
        'Gradient norm', '', 'The global norm of the gradients before clipping: peaks tell of '
        'unstable training.'),
    'steps_per_second': Entry('Steps per second', '', 'The speed of training.'),
}

VIDEOS = {
    'data': ('Real', 'clips from the data set'),
    'reconstructions': ('Reconstructed', 'the real clips, encoded and decoded'),
    'samples': ('Generated', 'clips that the model made'),
    'motion': ('Motion', 'how pixels move, as colors'),
}


def metric(name):
  """The `Entry` of a metric; for an unknown name, one without a sentence."""
  if name in METRICS:
    return METRICS[name]
  title = name.replace('_', ' ')
  return Entry(title[:1].upper() + title[1:], '', '')


def video(name):
  """A phrase that says what a kind of video shows; '' for an unknown name."""
  return VIDEOS.get(name, ('', ''))[1]


def video_name(name):
  """What a kind of video is called: 'data' -> 'Real', 'samples_2' -> 'Generated, sample 2'."""
  base, _, number = name.rpartition('_')
  if number.isdigit() and base in VIDEOS:
    return f'{VIDEOS[base][0]}, sample {number}'
  title = VIDEOS.get(name, (name.replace('_', ' '), ''))[0]
  return title[:1].upper() + title[1:]
