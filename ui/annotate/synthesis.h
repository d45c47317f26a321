// SPDX-License-Identifier: GPL-3.0-or-later
// Rows by a model alone: the open items of an annotation are answered several times each, and an
// answer is kept where enough of them agree and it looks as it should. What is kept says by whom
// and why; everything else stays open for a person.
#pragma once

#include <QObject>
#include <QRegularExpression>
#include <vector>

#include "engine/compare/comparison.h"
#include "engine/data/annotation.h"
#include "ui/workspace.h"

namespace luthier {

struct SynthesisRules {
  int samples = 5;
  double temperature = 0.8;
  double agreement = 0.6;      ///< the share of the samples that an answer must be
  QRegularExpression pattern;  ///< that it must hold; empty: any
};

class Synthesis : public QObject {
  Q_OBJECT

 public:
  explicit Synthesis(Workspace& workspace, QObject* parent = nullptr);
  /// Of all that is open; `adapter` empty: the base answers. The annotation lives longer, or the
  /// run is cancelled first.
  void start(Annotation& annotation, const QString& adapter, const SynthesisRules& rules);
  void cancel();
  bool running() const { return annotation_ != nullptr; }
  std::size_t kept() const { return kept_; }
  std::size_t done() const { return done_ - in_hand_.size(); }
  std::size_t total() const { return items_.size(); }

 signals:
  void grew();                       ///< kept() or done()
  void taken(std::size_t item);      ///< its row stands in the file
  void ended(const QString& error);  ///< with the sentence of what stopped it, if anything did

 private:
  void ask_next();
  void take(const AnswerUpdate& event);
  void end(const RequestDone& event);
  QString judge();
  void stop(const QString& error);

  Workspace& workspace_;
  Annotation* annotation_ = nullptr;
  QString adapter_;
  AnswerMaker maker_;
  SynthesisRules rules_;
  std::vector<std::size_t> items_;
  std::vector<std::size_t> in_hand_;  ///< of the request
  std::size_t done_ = 0, kept_ = 0;
  std::vector<std::vector<ComparisonAnswer>> answers_;
  RequestId request_ = 0;
};

}  // namespace luthier
