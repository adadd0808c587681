"""What private texts must look like. The database sees them encrypted, so these rules are kept at each save."""

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator, RegexValidator

# E.164; numbers of mainland China must be mobile numbers.
validate_phone_number = RegexValidator(
    r"\A\+(861[3-9][0-9]{9}|(?!86)[1-9][0-9]{6,14})\Z",
    "手机号须为 E.164 格式，例如 +8613800138000。",
    code="phone_e164",
)
validate_email = EmailValidator("电子邮箱格式不正确。", code="email_shape")
validate_wechat_id = RegexValidator(
    r"\A[A-Za-z][-_A-Za-z0-9]{5,19}\Z",
    "微信号须以字母开头，6 到 20 位字母、数字、下划线或减号。",
    code="wechat_shape",
)
validate_account_number = RegexValidator(
    r"\A\S{4,100}\Z", "账号须为 4 到 100 个字符，不含空格。", code="account_number_shape"
)
validate_not_blank = RegexValidator(r"\S", "不能只含空格。", code="not_blank")

# GB 11643-1999: the last character is a check digit (ISO 7064, MOD 11-2) of the 17 before it.
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"
_IDENTITY_SHAPE = RegexValidator(
    r"\A[1-9][0-9]{5}(18|19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9X]\Z",
    "身份证号须为 18 位，末位可为大写 X。",
    code="identity_shape",
)


def validate_identity_number(value: str) -> None:
    """Raise ValidationError for a text that is no 居民身份证 number."""
    _IDENTITY_SHAPE(value)
    total = sum(int(digit) * weight for digit, weight in zip(value, _WEIGHTS, strict=False))  # without the last one
    if value[-1] != _CHECK_CHARACTERS[total % 11]:
        raise ValidationError("身份证号的校验位不正确。", code="identity_check_digit")
