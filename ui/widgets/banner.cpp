// SPDX-License-Identifier: GPL-3.0-or-later
// The banner's looks, its place and its buttons.
#include "ui/widgets/banner.h"

#include <QCursor>
#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QLayout>
#include <QPainter>
#include <QPushButton>
#include <QToolButton>

#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"
#include "ui/widgets/wrapped_text.h"

namespace luthier {

namespace {

constexpr int kMargin = 12;
constexpr int kWidest = 660;
constexpr int kFromMouse = 16;

QColor ink_of(Banner::Kind kind) {
  return kind == Banner::Kind::Error     ? colours().error
         : kind == Banner::Kind::Warning ? colours().warning
                                         : colours().accent;
}

}  // namespace

Banner::Banner(QWidget* parent) : QFrame(parent) {
  setObjectName(QStringLiteral("banner"));
  row_ = new QHBoxLayout(this);
  row_->setContentsMargins(12, 8, 8, 8);
  row_->setSpacing(8);
  icon_ = new QLabel(this);
  row_->addWidget(icon_, 0, Qt::AlignTop);
  text_ = new WrappedText(this);
  text_->setObjectName(QStringLiteral("bannerText"));
  row_->addWidget(text_, 1, Qt::AlignVCenter);
  for (std::size_t i = 0; i < offers_.size(); ++i) {
    auto* button = new QPushButton(this);
    button->setObjectName(i == 0 ? QStringLiteral("bannerAction")
                                 : QStringLiteral("bannerAction2"));
    button->hide();
    row_->addWidget(button, 0, Qt::AlignVCenter);
    offers_[i].button = button;
    connect(button, &QPushButton::clicked, this, [this, i] {
      // The action may say something new: what it replaces goes first.
      const auto action = offers_[i].action;
      dismiss();
      if (action) action();
    });
  }
  close_ = new QToolButton(this);
  close_->setObjectName(QStringLiteral("bannerClose"));
  close_->setAutoRaise(true);
  set_themed_icon(close_, QStringLiteral("close"));
  on_language(this, [this] {
    close_->setToolTip(tr("Dismiss"));
    close_->setAccessibleName(tr("Dismiss"));
    if (!error_) return;
    text_->set_text(error_text(*error_));
    setAccessibleName(text_->text());
    place();
  });
  row_->addWidget(close_, 0, Qt::AlignTop);
  connect(close_, &QToolButton::clicked, this, &Banner::dismiss);
  connect(&Theme::instance(), &Theme::changed, this, &Banner::restyle);
  hide();
}

void Banner::float_over(QWidget* host) {
  host_ = host;
  host->installEventFilter(this);
}

void Banner::show_text(Kind kind, const QString& text) {
  kind_ = kind;
  about_.clear();
  error_.reset();
  text_->set_text(text);
  setAccessibleName(text);
  for (Offer& offer : offers_) {
    offer.action = nullptr;
    offer.button->hide();
  }
  restyle();
  lift();
  show();
  place();
}

void Banner::show_error(const Error& error) {
  show_text(Kind::Error, error_text(error));
  error_ = error;
}

void Banner::offer(const QString& label, std::function<void()> action) {
  for (Offer& offer : offers_) {
    if (offer.action) continue;
    offer.action = std::move(action);
    offer.button->setText(label);
    offer.button->show();
    break;
  }
  place();
}

void Banner::dismiss() {
  hide();
  about_.clear();
  emit dismissed();
}

void Banner::dismiss_about(const QString& about) {
  if (isVisibleTo(parentWidget()) && about_ == about) dismiss();
}

QString Banner::text() const { return text_->text(); }

bool Banner::floats() const { return parentWidget() && !parentWidget()->isWindow(); }

void Banner::lift() {
  if (!floats()) return;
  if (QLayout* layout = parentWidget()->layout(); layout && layout->indexOf(this) >= 0)
    layout->removeWidget(this);
  if (!host_) float_over(parentWidget());
  above_ = false;
  place();
  const QRect near_mouse = geometry().adjusted(-kFromMouse, -kFromMouse, kFromMouse, kFromMouse);
  above_ = near_mouse.contains(parentWidget()->mapFromGlobal(QCursor::pos()));
}

void Banner::place() {
  if (!floats() || !host_) return;
  const QRect over(host_->mapTo(parentWidget(), QPoint(0, 0)), host_->size());
  const int most = std::max(200, std::min(kWidest, over.width() - 2 * kMargin));
  const int beside_text = row_->contentsMargins().left() + row_->contentsMargins().right() + 20 +
                          close_->sizeHint().width();
  int buttons = 0;
  for (const Offer& offer : offers_)
    if (offer.action) buttons += offer.button->sizeHint().width() + row_->spacing();
  const int width =
      std::min(most, beside_text + 2 * row_->spacing() + buttons + text_->natural_width() + 4);
  row_->activate();
  const int height =
      std::min(row_->totalHeightForWidth(width), std::max(40, over.height() - 2 * kMargin));
  const int y = above_ ? over.top() + kMargin : over.bottom() + 1 - kMargin - height;
  setGeometry(over.right() + 1 - kMargin - width, y, width, height);
  raise();
}

bool Banner::eventFilter(QObject* watched, QEvent* event) {
  const bool moved = event->type() == QEvent::Resize || event->type() == QEvent::Move ||
                     event->type() == QEvent::Show;
  if (moved && watched == host_ && isVisibleTo(parentWidget())) place();
  return QFrame::eventFilter(watched, event);
}

void Banner::restyle() {
  const QString name = kind_ == Kind::Error     ? QStringLiteral("error")
                       : kind_ == Kind::Warning ? QStringLiteral("warning")
                                                : QStringLiteral("info");
  icon_->setPixmap(themed_icon(name, ink_of(kind_)).pixmap(20, 20));
  update();
}

void Banner::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  QColor fill = ink_of(kind_);
  p.setPen(QPen(fill, 1));
  p.setBrush(colours().card);  // opaque: it may float over something
  const QRectF box = QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5);
  p.drawRoundedRect(box, 8, 8);
  fill.setAlphaF(0.09f);
  p.setBrush(fill);
  p.setPen(Qt::NoPen);
  p.drawRoundedRect(box, 8, 8);
}

}  // namespace luthier
