// SPDX-License-Identifier: GPL-3.0-or-later
// Models that read a text together with regions that a detector found in its picture, and what they
// say of both in pretraining. A batch's regions are its pixel_values
// (vision/region_processor.h): row i of the batch has those of its picture i.
#pragma once

#include <algorithm>

#include "engine/data/region_rows.h"
#include "engine/models/cost.h"
#include "engine/models/family.h"

namespace luthier {

/// A capability, of which models of other kinds need to know nothing.
class RegionReader {
 public:
  struct Read {
    torch::Tensor words;    ///< [tokens, hidden]
    torch::Tensor regions;  ///< [regions, hidden], those of the batch's rows, without filler
    torch::Tensor pooled;   ///< [rows, hidden]
  };
  /// Of each region.
  struct OfRegions {
    torch::Tensor objects, attributes;  ///< [regions, classes]; undefined: there is no such head
    torch::Tensor features;             ///< [regions, width]; undefined: there is no such head
  };

  virtual ~RegionReader() = default;
  /// Numbers of a region's features.
  virtual std::int64_t region_width() const = 0;
  /// `input.pixel_values` has the features as they are to be seen.
  virtual Read read(const ModelInput& input) = 0;
  /// Whether text and regions belong together: [rows, 2]. Undefined: there is no such head.
  virtual torch::Tensor matched(const Read& read) const = 0;
  /// The class that says that they do.
  virtual std::int64_t belonging() const = 0;
  virtual OfRegions of_regions(const Read& /*read*/) const { return {}; }
  /// Whether a text without regions can be read, too.
  virtual bool reads_texts_alone() const { return true; }
  /// Whether what was covered in a text is learned in pretraining.
  virtual bool learns_words() const { return true; }
  /// Whether it is learned there that a text and its regions belong together.
  virtual bool learns_matches() const { return true; }
  /// Whether regions are covered in pretraining.
  virtual bool covers_regions() const { return false; }
  /// What the losses of regions count for.
  virtual double region_weight() const { return 1; }
  /// Which of a number of answers is right: [rows, answers]. Undefined: there is no such head.
  virtual torch::Tensor answered(const Read& /*read*/) const { return {}; }
};

/// Null: the model reads no regions.
inline RegionReader* region_reader(Model& model) { return dynamic_cast<RegionReader*>(&model); }

/// A batch's regions by their rows, in their order.
std::vector<std::int64_t> region_counts(const ModelInput& input);
/// The same of a pass, all of one number: that is as near as a forecast comes.
std::vector<std::int64_t> region_counts(const Pass& pass);
/// Regions that stand beside their text, and what the model asks of them.
PicturePlan regions_beside(const RegionNeeds& needs);

/// config.json as that of a head of rows that each belong to one class: transformers' classes that
/// answer questions name their classes as those of sequences do. `answers`: where config.json
/// counts them by a field of its own, so many without a name each; else 0.
Result<ClassOptions> read_answer_options(const Json& config, const std::string& where,
                                         std::int64_t answers);
/// The classes that a family may be of.
struct RegionClasses {
  std::string family, pretraining, answers;  ///< "VisualBERT", and transformers' names
};
/// Whether config.json's `architectures` names the class that answers questions; where it names
/// none, it is that of pretraining. An Input error names another.
Result<bool> is_of_answers(const Json& config, const std::string& where,
                           const RegionClasses& classes);

}  // namespace luthier
