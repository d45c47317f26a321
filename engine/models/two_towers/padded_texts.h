// SPDX-License-Identifier: GPL-3.0-or-later
// Of models that read every text at one length, with what fills it up: the tokenizer knows with
// which token (load_model says it), and the model does the filling.
#pragma once

#include "engine/text/tokenizer.h"

namespace luthier {

class PaddedTexts {
 public:
  virtual ~PaddedTexts() = default;
  void set_padding(TokenId id) { padding_ = id; }

 protected:
  TokenId padding_ = 0;
};

}  // namespace luthier
