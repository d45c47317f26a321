// SPDX-License-Identifier: GPL-3.0-or-later
// What the loaded model would answer to an item of an annotation: one answer, two drawn ones of
// which a person takes the better, or several of which the most frequent one is kept where enough
// of them agree. One request at a time; what is asked anew takes the place of what was asked.
#pragma once

#include <QObject>
#include <QStringList>
#include <map>
#include <optional>

#include "engine/data/annotation.h"
#include "ui/workspace.h"

namespace luthier {

struct Proposal {
  std::vector<std::string> answers;  ///< as far as they have come
  AnswerMaker maker;
  bool whole = false;  ///< each came to its end
};

class Proposals : public QObject {
  Q_OBJECT

 public:
  explicit Proposals(Workspace& workspace, QObject* parent = nullptr);

  /// Who answers: the base (empty) or an attached adapter by its name.
  void choose(const QString& adapter);
  const QString& chosen() const { return adapter_; }
  bool can_ask() const;
  bool asking() const { return request_ != 0; }
  std::size_t asked() const { return item_; }
  /// So many answers to the item's question; drawn where there are several, or where it was asked
  /// before.
  void ask(std::size_t index, const AnnotationItem& item, std::size_t answers);
  void cancel();
  /// What is known for this item.
  const Proposal* of(std::size_t index) const;
  void forget(std::size_t index) { known_.erase(index); }
  void forget_all();

 signals:
  void grew(std::size_t index);
  /// With the sentence of what went wrong, if anything did.
  void ended(std::size_t index, const QString& error);
  void changed();  ///< asking() or can_ask() is another

 private:
  void take(const AnswerUpdate& event);
  void end(const RequestDone& event);

  Workspace& workspace_;
  QString adapter_;
  RequestId request_ = 0;
  std::size_t item_ = 0;
  std::vector<bool> ended_;
  std::map<std::size_t, Proposal> known_;
  std::map<std::size_t, std::uint64_t> rounds_;  ///< how often each item was asked
};

}  // namespace luthier
