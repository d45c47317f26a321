// SPDX-License-Identifier: GPL-3.0-or-later
// Stands in front of LibTorch's header of this name, which modules include so that they can be saved
// as archives: ours are saved as tensors in files of their own (models/tensor_file), and what that
// header brings with it, all of TorchScript, took a sixth of the time that a file takes to compile.
// Who wants it includes torch/serialize/input-archive.h and output-archive.h.
#pragma once

namespace torch::serialize {
class InputArchive;
class OutputArchive;
}  // namespace torch::serialize
