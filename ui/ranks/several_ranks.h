// SPDX-License-Identifier: GPL-3.0-or-later
// "Train at several ranks": the Train page's recipe, once a rank, queued by one click.
#pragma once

#include <QStringList>
#include <vector>

#include "ui/run_queue.h"
#include "ui/widgets/card.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QTableWidget;

namespace luthier {

class Workspace;

/// "4, 8, 16, 32": whole numbers from 1 on, each once. An Input error says what else stands there.
Result<std::vector<std::int64_t>> ranks_of_text(const QString& text);

enum class AlphaRule { KeepRatio, KeepAlpha };
/// The recipe at each of the ranks; "runs/first" becomes "runs/first-r4". An Input error where its
/// method has no rank.
Result<std::vector<RunToQueue>> recipes_at_ranks(const Recipe& recipe,
                                                 const std::vector<std::int64_t>& ranks,
                                                 AlphaRule alpha);

class SeveralRanks : public Card {
  Q_OBJECT

 public:
  static const QString kGroup;

  explicit SeveralRanks(Workspace& workspace, QWidget* parent = nullptr);

 signals:
  void failed(const luthier::Error& error);
  void queued();
  /// One that has ended with a result.
  void show_asked(const QString& folder);
  void compare_asked(const QStringList& folders);

 private:
  void queue();
  void refresh();
  void fill_table();
  QStringList finished_folders() const;

  Workspace& workspace_;
  QLineEdit* ranks_;
  QComboBox* alpha_;
  QLabel *about_, *ranks_label_, *held_;
  QPushButton *queue_, *drop_, *go_on_, *compare_;
  QTableWidget* table_;
};

}  // namespace luthier
