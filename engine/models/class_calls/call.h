// SPDX-License-Identifier: GPL-3.0-or-later
// One call of a class of transformers: what it was given, and what it has given so far. Each way a
// model is called is a function of its own, which class_forward.cpp chooses among.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "engine/models/class_arguments.h"
#include "engine/models/class_forward.h"

namespace luthier {

class ClipTextTower;
class HeadOfClass;
class PictureBody;
class PairMatcher;
class PictureTransformer;
class RegionReader;
class Segmenter;

struct ClassCall {
  LoadedModel& loaded;
  Model& model;
  const GivenArguments given;
  const std::string name;  ///< transformers' name of the class, as config.json has it
  /// It gives states, and no scores.
  const bool body;
  ClassOutputs out;

  bool is_one_of(std::initializer_list<std::string_view> types) const;
  /// `value` among what is written, in float32.
  void add(const std::string& output, const torch::Tensor& value);
  /// Pictures and films as the class takes them; the rows are there already.
  Status put_pictures(ModelInput& input) const;
  /// The same where each row is about one of its own.
  Status put_own_pictures(const FilledUp& rows, ModelInput& input) const;
  /// On the model's device; without labels where none were given.
  ModelInput ready(ModelInput input) const;
  /// By `labels`, where they are given, of what a head says of rows, pictures or the rows' tokens.
  Status add_class_loss(const ClassOptions& classes, const torch::Tensor& logits,
                        const FilledUp* rows);
  /// Over all labels but those left out, smoothed where the model says so.
  torch::Tensor entropy(const torch::Tensor& logits, const torch::Tensor& labels) const;
  /// What pictures became before the text's places, and how far positions are ahead of lengths, as
  /// far as the family's class gives them.
  void add_picture_states(const ModelInput& input, const TokenSequence& sequence);
  /// Logits and loss of a text that is written on: each token by those before it.
  void add_written(const FilledUp& rows, const ModelInput& input, const torch::Tensor& states);
};

namespace class_calls {

/// Texts: a decoder goes on, an encoder restores words, a head tells rows or tokens apart.
Status go_on(ClassCall& call, Causal& causal);
Status restore(ClassCall& call, Encoder& encoder);
Status classify(ClassCall& call, Classifier& classifier);
/// Heads that the family's model lacks: of a decoder's rows or tokens, of where an answer stands,
/// of the pixels of covered patches.
Status score(ClassCall& call, const HeadOfClass& head);
Status find_answer(ClassCall& call, const HeadOfClass& head);
Status uncover(ClassCall& call, PictureTransformer& body, const HeadOfClass& head);
/// What is read becomes what is written; `describe`: a text behind its picture.
Status rewrite(ClassCall& call, SequenceToSequence& pair);
Status describe(ClassCall& call, SequenceToSequence& writer);
/// BLIP's answer to a question about its picture.
Status answer(ClassCall& call, SequenceToSequence& writer);
/// Pictures, alone and beside texts.
Status picture_states(ClassCall& call, PictureBody& body);
Status text_states(ClassCall& call, ClipTextTower& tower);
Status read_regions(ClassCall& call, RegionReader& reader);
Status segment(ClassCall& call, Segmenter& segmenter);
Status compare(ClassCall& call, TwoTowers& towers);
/// BLIP's and BLIP-2's retrieval: each text beside its own picture, or all beside all by their
/// points.
Status match_pairs(ClassCall& call, TwoTowers& towers, PairMatcher& matcher);
Status rebuild(ClassCall& call, PatchRebuilder& rebuilder);

/// pooler_output of rows' or pictures' first states [.., hidden], where the folder has a pooler.
Status add_pooled(ClassCall& call, const torch::Tensor& first);

}  // namespace class_calls

}  // namespace luthier
