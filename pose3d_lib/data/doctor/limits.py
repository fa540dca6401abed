"""From which value on the data doctor warns: every limit has a name and a reason."""

FASTEST_JOINT = 20.0
"""m/s relative to the root. A judgement: players in a game kick at 10 m/s (CMU's soccer), and only the hardest kicks and
throws of trained athletes come near 20."""

FAST_JOINT = 15.0
"""m/s relative to the root. A judgement: more is possible but so rare that it is worth a look."""

FASTEST_ROOT = 13.0
"""m/s. The fastest sprinter ever measured ran 12.4 m/s, and a pelvis cannot be flung about as a foot can."""

HIGH_ACCELERATION = 300.0
"""m/s2 relative to the root, averaged over two frames. At 60 Hz all but two of CMU's takes whose joints are slow enough stay
below 280, kicks, jumps and steps included."""

HIGHEST_ACCELERATION = 1000.0
"""m/s2: a hundred times gravity over two frames, which an outlier of 20 cm in one frame gives at 50 Hz. A judgement."""

BONE_CHANGE, WORST_BONE_CHANGE = 0.10, 0.25
"""Largest deviation of a bone from its median, as a share. CMU's bones stay below 0.01; where joints follow a shrug, 0.06 is
ordinary (Bandai-Namco). That markers on skin stay below 0.1, and that a quarter is a joint elsewhere, are judgements."""

SHORTEST_BONE = 0.03
"""Metres; shorter bones are not compared: a deviation in per cent says nothing about them."""

BONE_BETWEEN_TAKES = 0.05
"""Deviation of a take's median bone from its subject's: more than skin and fitting explain, so perhaps two people. A
judgement; one person's takes differ by 0.01 in CMU's clips and by 0.04 in Bandai-Namco's."""

ASYMMETRY = 0.10
"""Between the left and the right bone of a pair. A judgement: more than people's sides differ, less than a wrong joint."""

EXCHANGE = 0.20
"""Metres of path that a left and a right joint together must save by changing places to be called exchanged: the paths
are measured from where both were and from where both were going, so that hands and feet that pass each other save nothing."""

BACKWARD_KNEES = 0.65
"""Share of the knees' bend that points backward: near 0 in CMU's, Bandai-Namco's and the built-in takes, near 1 in the same
takes with exchanged sides. Where between them the limit lies is a judgement, in favour of knees that turn out."""

BENT_KNEE = 15.0
"""Degrees; the bend of straighter knees is as much an error of the joints as a bend."""

OPPOSED, OPPOSED_2D = 0.5, 0.9
"""Share of frames in which the line of the shoulders opposes that of the hips: a body turns by less than 90 degrees. In
images, of the frames that show it: the simulated detections of people with narrow hips come to 0.7."""

FROZEN_STEP = 1e-5
"""Metres per frame: ten times what float32 rounds at, and far below the sway of somebody who stands still (a judgement)."""

FROZEN_SECONDS = 0.5
"""Longest stretch without any motion that passes. A judgement: a repeated frame does little harm, half a second is wrong."""

LEG = (0.6, 1.1)
"""Metres from hip to ankle along the bones: about those of a child of eight and of a very tall adult."""

LEG_IN_METRES = (0.3, 1.6)
"""Outside, the unit or the skeleton is wrong: 800 for millimetres, 80 for centimetres, 2.6 for feet."""

REACH, REACH_IN_METRES = (0.5, 1.4), (0.25, 2.0)
"""Metres from the root to the joint that is farthest from it, where no joint is called a knee."""

FLOOR = (-0.15, 0.3)
"""Metres: height of the lowest ankle, median over the takes. An ankle stands about 0.08 above the sole; the room around
that is a judgement."""

UPRIGHT = 0.3
"""Share of the takes in which the head is below the feet or beside them: people lie down, but not most of the time. A
judgement."""

LYING, UPSIDE_DOWN = 60.0, 120.0
"""Degrees between upwards and the way from the feet to the head, above which a person lies, and is upside down. People who
sit on the floor with stretched legs come to about 50. A judgement."""

TURNED = 0.5
"""Share of a camera's frames in which people lie, or stand on their heads, in the picture: they do so for a while, but in most
frames it is the picture that is turned. A judgement."""

STEP_RATE = (1.2, 2.6)
"""Steps per second of people who walk, from a stroll to the change to running. A judgement; wide enough that only a wrong rate
of half or double is sure to be found."""

COMMON_STEP_RATE = 1.8
"""Steps per second of adults who walk as they like."""

WALKED, SHORTEST_STEP = 2.5, 0.3
"""Metres that a take has to go, and metres per step, for it to be walking with a step rate. Not seconds or metres per second,
which a wrong frame rate would change."""

FRAME_RATE, POSSIBLE_FRAME_RATE = (15.0, 250.0), (1.0, 2000.0)
"""Frames per second: slower, 27 frames hold several actions; faster, they hold none. No motion capture is beyond the second."""

RECEPTIVE_FIELD = 27
"""Frames that the default lifter sees; shorter clips are padded by repeating their ends."""

PROJECTION = 0.01
"""Pixels between exact keypoints and projected joints: float32 leaves 0.001."""

DETECTION, WORST_DETECTION = 0.10, 0.30
"""Median distance between keypoints and projected joints as a share of the person's size. A judgement: 0.02 is ordinary (the
simulated detections), and 0.3 is another person or another camera."""

DETECTION_OUTLIER = 4.0
"""Times the median over all clips of a 2D source, taken for at least 0.01: clips that stand out. A judgement."""

OUTSIDE = 0.10
"""Share of a clip's keypoints outside the image: a detector sees none of them, and most of them mean a wrong image size. A
judgement."""

EXCHANGED_STEPS, EXCHANGE_2D = 0.005, 0.10
"""Share of the steps in which keypoints change sides, and what they must save by it as a share of the person's size. A
judgement: none of CMU's and Bandai-Namco's takes without glitches comes to it."""

PERSON_SIZE = (0.05, 1.0)
"""Diagonal of the box around a person over that of the image. A judgement: a detector is off by some pixels, which are a large
part of a person of 70; and a box larger than the image is of another image size."""

KEYPOINT_JUMP = 0.6
"""Motion of a keypoint in 0.04 s against that of the others, as a share of the person's size. A judgement: the corners of an
image are further away, and the lost joints of the simulated detections stay within 0.5 (in two million frames)."""

HALFWAY, INTERPOLATED = 1e-3, 0.4
"""Pixels within which a keypoint in the middle of its neighbours in time is taken for interpolated (float32 leaves a tenth of
it), and the share of frames in which all of them are that passes: filled-in gaps are a small part of a video."""

WIDE_LINE, SEEN = 0.05, 0.3
"""Width of shoulders and hips as a share of the person's size, from which on left and right can be told in an image, and the
share of a camera's frames in which they must be as wide. Judgements."""

SAMPLED = 0.5
"""Share of a video's takes that have one frame, from which on its frames are taken for sampled."""

PERSON_JUMP = 0.30
"""Median motion of the keypoints in 0.04 s as a share of the person's size: running past a camera reaches 0.13."""
