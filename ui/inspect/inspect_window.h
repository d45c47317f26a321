// SPDX-License-Identifier: GPL-3.0-or-later
// One row as the model gets it, down to pixels and positions: its pictures after processing with
// the grid of patches, every token by what becomes of it or by what it costs, the tokens of a
// picture and the picture pointing at one another, what was cut off.
#pragma once

#include <QDialog>
#include <optional>
#include <vector>

#include "ui/workspace.h"

class QCheckBox;
class QLabel;
class QPushButton;
class QSpinBox;
class QTextBrowser;
class QVBoxLayout;

namespace luthier {

class FrameView;
class Legend;

class InspectWindow : public QDialog {
  Q_OBJECT

 public:
  /// The one of this window.
  static InspectWindow* of(Workspace& workspace, QWidget* owner);
  /// Of the recipe's data; from 0. `total`: how many rows there are.
  void show_row(std::size_t row, std::size_t total);

 private:
  InspectWindow(Workspace& workspace, QWidget* owner);
  QWidget* make_head();
  QWidget* make_pictures();
  QWidget* make_tokens();
  void ask();
  void ask_losses();
  void take(const RowInspected& event);
  void take_losses(const TokenLossesFound& event);
  void end(const RequestDone& event);
  void fill_pictures();
  void render();
  void show_legend();
  QString token_html(std::size_t token) const;
  QString positions_of(std::size_t token) const;
  QString facts_of(std::size_t token) const;
  void point_at(const QString& link);
  void say(const QString& text, bool wrong = false);
  void refresh();
  void retranslate();

  Workspace& workspace_;
  RequestId request_ = 0, losses_request_ = 0;
  std::optional<InspectedRow> row_;
  std::optional<TokenLosses> losses_, losses_before_;
  float most_ = 0;  ///< of losses_
  struct Shown {
    std::size_t picture = 0;
    FrameView* view = nullptr;
  };
  std::vector<Shown> frames_;
  QLabel *row_label_, *note_, *facts_;
  QSpinBox* number_;
  QCheckBox *grid_, *positions_, *heat_;
  QPushButton* measure_;
  QVBoxLayout* pictures_;
  QWidget* pictures_box_;
  Legend* legend_;
  QTextBrowser* tokens_;
};

}  // namespace luthier
