"""Origins of data. Each is a module, chosen by `pose3d_lib.data.open`, with

- `PARAMETERS`: the parameters of `DataSpec` that it uses, besides `dataset`, `keypoints` and those of `COMMON`;
- `KEYPOINTS`: the 2D source that it takes by default;
- `recognise(path)`: whether a file or folder is of its kind, from names and first bytes;
- `find(spec, path)`: the dataset's name and all source files (when one of them changes, it is prepared again), or an
  `InputError` that says what is missing, where it was looked for, what to do;
- `list_actions(spec, path)`: the actions, at once, as far as names tell them;
- `read(spec, path, progress)`: the `PoseDataset`.
"""
