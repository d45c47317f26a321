// SPDX-License-Identifier: GPL-3.0-or-later
// Where a checkpoint's files hold a parameter: as one tensor, as one whose matrices are turned, or
// as many that stand in it one below the other. Those in pieces are experts', turned ones theirs or
// a Conv1D's (Family::may_be_turned, Family::pieces_of).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/models/family.h"
#include "engine/models/stored_tensor.h"

namespace luthier {

/// A checkpoint's tensors by what they stand for.
struct StoredTensors {
  const Family& family;
  const CheckpointFiles& files;
  const std::map<std::string, std::string>& names;  ///< of stored_names()
  std::string where;                                ///< the folder, for errors
};

/// Whether files may lack this tensor: a buffer that then stays as it begins, as transformers has
/// it (BART's and mBART's bias on the logits, which is 0).
inline bool may_lack(const std::string& name) { return name == "final_logits_bias"; }

class StoredParameter {
 public:
  struct Part {
    std::string name;  ///< in memory
    TensorView view;
    std::string place;  ///< file and tensor, for errors
    StackPiece of{};    ///< where it stands, if it is a piece
  };

  /// The parameter of this in-memory name. An Input error where it is missing, or a piece of it, or
  /// stored in another shape.
  static Result<StoredParameter> find(const StoredTensors& stored, const std::string& name,
                                      at::IntArrayRef shape);

  /// Into its place, cast on the way (stored_tensor.h). `broken`: gets the place of the first
  /// tensor with a value that is not finite.
  Status read(torch::Tensor target, const ReadWatch& watch = {},
              std::string* broken = nullptr) const;

  /// Its numbers [first, first + target's) alone, as they stand in the parameter row by row. Of one
  /// that is stored otherwise the whole is read, and stands in memory meanwhile.
  Status read_some(std::int64_t first, torch::Tensor target, const ReadWatch& watch = {},
                   std::string* broken = nullptr) const;

  const std::vector<Part>& parts() const { return parts_; }  ///< one, or the pieces
  DType dtype() const { return parts_.front().view.info.dtype; }

 private:
  Result<bool> find_pieces(const StoredTensors& stored, const std::string& name,
                           at::IntArrayRef shape);

  std::vector<std::int64_t> shape_;
  std::vector<Part> parts_;
  bool turned_ = false, in_pieces_ = false;
};

}  // namespace luthier
