"""Short-term API keys of Bedrock, made of signature credentials without a call to AWS.

A key is a presigned request to `CallWithBearerToken`, in base64: good for the region that it was signed for, at most
12 h, and never longer than the credentials that signed it. Source: Bedrock user guide, "Generate a short-term API key";
the form is that of AWS's own aws-bedrock-token-generator 1.1.0.
"""

import base64

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pilothouse_api.secret import Secret
from pilothouse_operator.clouds.aws_keys import Keys

LONGEST_S = 43_200

_HOST = "bedrock.amazonaws.com"


def short_term_key(keys: Keys, *, region: str, life_s: int) -> Secret:
    """A key for `region` (Bedrock's) that lives for `life_s` from now on."""
    request = AWSRequest(
        method="POST",
        url=f"https://{_HOST}/",
        headers={"host": _HOST},
        params={"Action": "CallWithBearerToken"},
    )
    token = None if keys.session_token is None else keys.session_token.reveal()
    credentials = Credentials(keys.access_key_id, keys.secret_access_key.reveal(), token)
    SigV4QueryAuth(credentials, "bedrock", region, expires=min(life_s, LONGEST_S)).add_auth(request)
    presigned = request.url.removeprefix("https://") + "&Version=1"
    return Secret("bedrock-api-key-" + base64.b64encode(presigned.encode("ascii")).decode("ascii"))
